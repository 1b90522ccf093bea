/** How programs call the service: curl, Python, JavaScript, ready to paste. */
import { useState, type JSX } from 'react';
import type { InferenceService } from '../../api/types';
import { CodeBlock } from '../../components/ascode';
import { Segment } from '../../components/basics';
import { Dialog } from '../../components/dialog';
import { ErrorLine, SkeletonRows } from '../../components/feedback';
import { t } from '../../i18n';
import { useGuide } from '../../queries/serving';

export function Guide({ service, onClose }: { service: InferenceService; onClose: () => void }): JSX.Element {
  const guide = useGuide(service.id);
  const [kind, setKind] = useState<'curl' | 'python' | 'javascript'>('curl');
  return (
    <Dialog title={t('serve.guide')} wide onClose={onClose}>
      <p className="hm-muted">{t('serve.guideHint')}</p>
      <Segment
        label={t('serve.guide')}
        value={kind}
        onChange={setKind}
        options={[
          { value: 'curl', label: 'curl' },
          { value: 'python', label: 'Python' },
          { value: 'javascript', label: 'JavaScript' }
        ]}
      />
      {guide.data ? <CodeBlock text={guide.data[kind]} /> : guide.error ? <ErrorLine error={guide.error} /> : <SkeletonRows rows={4} />}
    </Dialog>
  );
}
