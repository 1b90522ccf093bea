/** What a start with a size would make, before the size is saved: the rendered pod as YAML (NB-3). */
import { useQuery } from '@tanstack/react-query';
import { useState, type JSX } from 'react';
import { isApiError } from '../../api/errors';
import { CodeBlock } from '../../components/ascode';
import { Button } from '../../components/basics';
import { Dialog } from '../../components/dialog';
import { ErrorView, SkeletonRows } from '../../components/feedback';
import { SelectField } from '../../components/fields';
import { useFrame } from '../../frame';
import { t } from '../../i18n';
import { useStepUp } from '../../queries/standing';

/** A size as the form has it; see `SpecDraft` of the API. */
export interface Size {
  kind: string;
  cpu_millis: number;
  memory_bytes: number;
  accelerators: Record<string, number>;
}

interface Preview {
  backend: 'kubernetes' | 'local';
  yaml: string;
  profiles: { slug: string; name: string }[];
  hooks_not_run: string[];
}

export function PodPreview({ size }: { size: Size }): JSX.Element {
  const [open, setOpen] = useState(false);
  return (
    <>
      <Button icon="code" small onClick={() => setOpen(true)}>
        {t('podpreview.open')}
      </Button>
      {open && <PreviewDialog size={size} onClose={() => setOpen(false)} />}
    </>
  );
}

function PreviewDialog({ size, onClose }: { size: Size; onClose: () => void }): JSX.Element {
  const { client } = useFrame();
  const stepUp = useStepUp();
  const [profile, setProfile] = useState('');
  const { kind, cpu_millis, memory_bytes, accelerators } = size;
  const body = { spec: { kind, cpu_millis, memory_bytes, accelerators }, ...(profile && { profile }) };
  const found = useQuery({
    queryKey: ['pod-preview', body],
    queryFn: () => client.post<Preview>('/pod-preview', body),
    placeholderData: before => before,
    gcTime: 0,
    retry: false
  });
  const asks = isApiError(found.error) && found.error.code === 'step_up_required';
  const again = () => void found.refetch();
  return (
    <Dialog title={t('podpreview.title')} wide onClose={onClose}>
      {asks ? (
        <Button icon="key" busy={stepUp.asking} onClick={() => void stepUp.ask().then(again, () => undefined)}>
          {t('stepUp.again')}
        </Button>
      ) : found.error ? (
        <ErrorView error={found.error} onRetry={again} />
      ) : found.data ? (
        <Rendered preview={found.data} profile={profile} onProfile={setProfile} />
      ) : (
        <SkeletonRows />
      )}
    </Dialog>
  );
}

function Rendered(props: { preview: Preview; profile: string; onProfile: (slug: string) => void }): JSX.Element {
  const { preview } = props;
  const names = preview.profiles.map(one => ({ value: one.slug, label: one.name }));
  return (
    <>
      <p className="hm-muted">{t(preview.backend === 'local' ? 'podpreview.explainLocal' : 'podpreview.explain')}</p>
      {names.length > 0 && (
        <SelectField
          label={t('podpreview.profile')}
          value={props.profile}
          onChange={props.onProfile}
          options={[{ value: '', label: t('podpreview.profileDefault') }, ...names]}
        />
      )}
      <CodeBlock text={preview.yaml} />
      {preview.hooks_not_run.length > 0 && (
        <p className="hm-muted hm-sm">{t('podpreview.hooks', { names: preview.hooks_not_run.join(', ') })}</p>
      )}
    </>
  );
}
