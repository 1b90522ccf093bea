/** Deploying: a name, one or two variants whose weights add up to 100, resources, the verdict. */
import { useEffect, useState, type FormEvent, type JSX } from 'react';
import { AsCode } from '../../components/ascode';
import { Button, Card } from '../../components/basics';
import { Empty, ErrorLine, SkeletonPage } from '../../components/feedback';
import { NumberField, SelectField, TextField, fieldError } from '../../components/fields';
import { SpecFields, useSpecChoice } from '../../components/specfields';
import { acceleratorForms } from '../training/forms';
import { VerdictLine, canStart } from '../../components/verdict';
import { useFrame, useTab } from '../../frame';
import { t } from '../../i18n';
import { useModelVersions, useModels } from '../../queries/models';
import { useDeploy, type ServiceBody } from '../../queries/serving';
import { useSpecs, useVerdict } from '../../queries/training';
import type { Model } from '../../api/types';
import type { PanelProps } from '../registry';

interface Draft {
  model: number;
  version: string;
  weight: number | null;
  replicas: number | null;
}

function VariantFields(props: { draft: Draft; models: Model[]; single: boolean; onChange: (draft: Draft) => void }): JSX.Element {
  const { draft, onChange } = props;
  const versions = useModelVersions(draft.model);
  const newest = versions.data?.[0]?.version;
  useEffect(() => {
    if (newest && !versions.data?.some(one => one.version === draft.version)) {
      onChange({ ...draft, version: newest });
    }
    // Only new versions change the choice.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [newest]);
  return (
    <div className="hm-paramgrid">
      <SelectField
        label={t('serve.model')}
        value={String(draft.model)}
        options={props.models.map(one => ({ value: String(one.id), label: one.name }))}
        onChange={value => onChange({ ...draft, model: Number(value), version: '' })}
      />
      <SelectField
        label={t('train.version')}
        value={draft.version}
        options={(versions.data ?? []).map(one => ({ value: one.version, label: [one.version, ...one.aliases].join(' · ') }))}
        onChange={version => onChange({ ...draft, version })}
      />
      {!props.single && (
        <NumberField label={t('serve.weight')} unit="%" min={0} max={100} value={draft.weight} onChange={weight => onChange({ ...draft, weight })} />
      )}
      <NumberField label={t('serve.replicas')} min={1} max={10} value={draft.replicas} onChange={replicas => onChange({ ...draft, replicas })} />
    </div>
  );
}

export default function NewServicePanel({ args }: PanelProps): JSX.Element {
  const { open } = useFrame();
  const tab = useTab();
  const models = useModels({ sort: 'name' });
  const specs = useSpecs('inference');
  const [name, setName] = useState('');
  const [description, setDescription] = useState('');
  const [drafts, setDrafts] = useState<Draft[]>([]);
  const usable = models.items.filter(one => one.versions > 0);
  const first = usable.find(one => one.id === Number(args['model'])) ?? usable[0];
  useEffect(() => {
    if (first && drafts.length === 0) {
      setDrafts([{ model: first.id, version: String(args['version'] ?? first.latest ?? ''), weight: 100, replicas: 1 }]);
    }
  }, [first, drafts.length, args]);
  const choice = useSpecChoice(specs.data, 'inference');
  const spec = choice.basic;
  const card = acceleratorForms(choice.body, choice.accelerator?.name);
  const parts = drafts.map(one => ({ spec_id: 0, ...choice.body, replicas: Math.max(1, one.replicas ?? 1) }));
  const verdict = useVerdict(choice.body && parts, 'inference');
  const deploy = useDeploy(service => {
    open('service', { id: service.id });
    tab.close();
  });
  if (models.isLoading || specs.isLoading) {
    return <SkeletonPage />;
  }
  if (!usable.length) {
    return (
      <Empty icon="cube" title={t('serve.noModel')}>
        {t('model.emptyHint')}
      </Empty>
    );
  }
  const total = drafts.reduce((sum, one) => sum + (one.weight ?? 0), 0);
  const body: ServiceBody = {
    name,
    description,
    variants: drafts.map(one => ({
      model_id: one.model,
      version: one.version,
      weight_percent: one.weight ?? 0,
      spec_id: 0,
      ...choice.body,
      replicas: one.replicas ?? 1
    }))
  };
  const whole = name && choice.body && total === 100 && drafts.every(one => one.version);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (whole) {
      deploy.mutate(body);
    }
  };
  const change = (at: number, draft: Draft) => setDrafts(all => all.map((one, index) => (index === at ? draft : one)));
  const model = usable.find(one => one.id === drafts[0]?.model);
  return (
    <form className="hm-page" onSubmit={submit} noValidate>
      <header className="hm-head">
        <h1>{t('serve.new')}</h1>
        <span className="hm-grow" />
        <AsCode
          forms={{
            magic: `%deploy ${model?.name ?? 'model'}@${drafts[0]?.version ?? 'V0001'} --name ${name || 'my-service'}`,
            python: `import himalia\nservice = himalia.services.deploy("${model?.name ?? ''}@${drafts[0]?.version ?? ''}", name="${name || 'my-service'}", spec="${spec?.name ?? ''}"${card.python})`,
            cli: `himalia services deploy ${model?.name ?? ''}@${drafts[0]?.version ?? ''} --name ${name || 'my-service'} --spec "${spec?.name ?? ''}"${card.cli}`,
            http: `POST /services/himalia/api/v1/inference-services\nContent-Type: application/json\n\n${JSON.stringify(body, null, 2)}`
          }}
        />
      </header>
      <div className="hm-form">
        <div className="hm-two">
          <TextField label={t('serve.name')} limit={32} autoFocus value={name} onChange={setName} error={fieldError(deploy.error, 'name')} hint={t('serve.nameHint')} />
          <SpecFields specs={specs.data ?? []} choice={choice} error={deploy.error} />
        </div>
        {drafts.map((draft, at) => (
          <Card
            key={at}
            title={drafts.length > 1 ? t('serve.variantNumber', { number: at + 1 }) : t('serve.variant')}
            aside={
              at > 0 && (
                <Button small look="quiet" icon="trash" onClick={() => setDrafts(all => all.slice(0, 1).map(one => ({ ...one, weight: 100 })))}>
                  {t('action.delete')}
                </Button>
              )
            }
          >
            <VariantFields draft={draft} models={usable} single={drafts.length === 1} onChange={next => change(at, next)} />
          </Card>
        ))}
        {drafts.length === 1 && (
          <div>
            <Button
              icon="split"
              onClick={() => setDrafts(all => all.slice(0, 1).flatMap(one => [{ ...one, weight: 90 }, { ...one, weight: 10 }]))}
            >
              {t('serve.addVariant')}
            </Button>
          </div>
        )}
        {drafts.length > 1 && total !== 100 && (
          <p className="hm-fail" role="alert">
            {t('serve.weightsMust', { total })}
          </p>
        )}
        <TextField label={t('train.description')} optional limit={200} value={description} onChange={setDescription} />
      </div>
      <div className="hm-formverdict">
        {!choice.unmet && <VerdictLine verdict={verdict.data} error={verdict.error} remaining />}
        <ErrorLine error={deploy.error} />
      </div>
      <footer className="hm-formfoot">
        <Button type="submit" look="primary" icon="pulse" busy={deploy.isPending} disabled={!whole || !canStart(verdict.data)}>
          {t('serve.deploy')}
        </Button>
        <Button onClick={() => tab.close()}>{t('action.cancel')}</Button>
      </footer>
    </form>
  );
}
