/** Starting a training job: algorithm, data, parameters and resources, with the exact command and the verdict. */
import { useEffect, useMemo, useState, type FormEvent, type JSX } from 'react';
import { AsCode } from '../../components/ascode';
import { Button, Card } from '../../components/basics';
import { ErrorLine, ErrorView, SkeletonPage, Empty } from '../../components/feedback';
import { NumberField, SelectField, TextField, fieldError } from '../../components/fields';
import { SpecFields, useSpecChoice } from '../../components/specfields';
import { VerdictLine, canStart } from '../../components/verdict';
import { useFrame, useTab } from '../../frame';
import { t } from '../../i18n';
import { useSettled } from '../../queries/account';
import {
  useAlgorithms,
  usePreview,
  usePublishedDatasets,
  useRun,
  useSpecs,
  useStartJob,
  useVerdict,
  useVersionsOf,
  type JobBody
} from '../../queries/training';
import type { PanelProps } from '../registry';
import { jobForms } from './forms';
import { ParameterField } from './parameters';

export default function NewJobPanel({ args }: PanelProps): JSX.Element {
  const { open } = useFrame();
  const tab = useTab();
  const from = useRun(Number(args['from'] ?? 0));
  const algorithms = useAlgorithms();
  const datasets = usePublishedDatasets();
  const specs = useSpecs('training');
  const [name, setName] = useState('');
  const [algorithmId, setAlgorithm] = useState<number | null>(null);
  const [datasetId, setDataset] = useState<number | null>(Number(args['dataset']) || null);
  const [version, setVersion] = useState(String(args['version'] ?? ''));
  const [hours, setHours] = useState<number | null>(null);
  const [changed, setChanged] = useState<Record<string, unknown>>({});
  const versions = useVersionsOf(datasetId);

  const algorithm = algorithms.data?.find(one => one.id === algorithmId) ?? algorithms.data?.[0];
  const choice = useSpecChoice(specs.data, 'training');
  const { choose } = choice;
  const dataset = datasets.data?.find(one => one.id === datasetId) ?? null;
  useEffect(() => {
    const run = from.data;
    if (run) {
      setName(`${run.job.name}-${run.number + 1}`);
      setAlgorithm(run.algorithm?.id ?? null);
      setDataset(run.dataset?.id ?? null);
      setVersion(run.dataset?.version ?? '');
      choose({ basic: run.spec.id, accelerator: run.spec.accelerator_spec?.id ?? null });
      setChanged(run.parameters);
    }
    // Once, when the run to start from is there: what the person changes afterwards stays.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [from.data]);
  useEffect(() => {
    if (!version && dataset?.current_version) {
      setVersion(dataset.current_version);
    }
  }, [dataset, version]);

  const parameters = useMemo(
    () => Object.fromEntries((algorithm?.parameters ?? []).map(p => [p.name, changed[p.name] ?? p.default])),
    [algorithm, changed]
  );
  const body: JobBody | null =
    algorithm && datasetId && version && choice.body
      ? {
          name,
          algorithm_id: algorithm.id,
          dataset: { id: datasetId, version },
          parameters,
          ...choice.body,
          ...(hours ? { longest_seconds: Math.round(hours * 3600) } : {})
        }
      : null;
  const settled = useSettled(JSON.stringify(body && { ...body, name: body.name || 'preview' }), 400);
  const preview = usePreview(JSON.parse(settled) as JobBody | null);
  const verdict = useVerdict(choice.body && [choice.body], 'training');
  const start = useStartJob(job => {
    if (job.latest_run) {
      open('run', { id: job.latest_run.id });
    }
    tab.close();
  });
  const loading = algorithms.isLoading || datasets.isLoading || specs.isLoading;
  const failure = algorithms.error ?? datasets.error ?? specs.error;
  if (loading) {
    return <SkeletonPage />;
  }
  if (failure) {
    return <ErrorView error={failure} onRetry={() => void algorithms.refetch()} />;
  }
  if (!datasets.data?.length) {
    return (
      <Empty
        icon="dataset"
        title={t('train.noData')}
        action={
          <Button look="primary" onClick={() => open('datasets')}>
            {t('nav.datasets')}
          </Button>
        }
      >
        {t('train.noDataHint')}
      </Empty>
    );
  }
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (body && name) {
      start.mutate(body);
    }
  };
  return (
    <form className="hm-page" onSubmit={submit} noValidate>
      <header className="hm-head">
        <h1>{t('train.new')}</h1>
        <span className="hm-grow" />
        {body && <AsCode forms={jobForms({ ...body, name: name || 'my-job' }, algorithm?.name ?? '', dataset?.name ?? '', choice.basic?.name ?? '', choice.accelerator?.name)} />}
      </header>
      <div className="hm-form">
        <TextField
          label={t('train.name')}
          value={name}
          onChange={setName}
          limit={30}
          autoFocus
          hint={t('train.nameHint')}
          error={fieldError(start.error, 'name')}
        />
        <div className="hm-two">
          <SelectField
            label={t('train.algorithm')}
            value={String(algorithm?.id ?? '')}
            options={(algorithms.data ?? []).map(one => ({ value: String(one.id), label: one.title || one.name }))}
            hint={algorithm?.description}
            onChange={value => setAlgorithm(Number(value))}
          />
          <SpecFields specs={specs.data ?? []} choice={choice} error={start.error} />
          <SelectField
            label={t('train.dataset')}
            value={String(datasetId ?? '')}
            options={[
              { value: '', label: t('train.choose'), disabled: true },
              ...(datasets.data ?? []).map(one => ({ value: String(one.id), label: one.name }))
            ]}
            error={fieldError(start.error, 'dataset')}
            onChange={value => {
              setDataset(Number(value));
              setVersion('');
            }}
          />
          <SelectField
            label={t('train.version')}
            value={version}
            options={(versions.data ?? []).map(one => ({
              value: one.version,
              label: t('train.versionItems', { version: one.version, count: one.items })
            }))}
            onChange={setVersion}
          />
        </div>
        <Card title={t('train.parameters')}>
          <div className="hm-paramgrid">
            {(algorithm?.parameters ?? []).map(parameter => (
              <ParameterField
                key={parameter.name}
                parameter={parameter}
                value={parameters[parameter.name]}
                error={start.error ?? preview.error}
                onChange={value => setChanged(all => ({ ...all, [parameter.name]: value }))}
              />
            ))}
            <NumberField
              label={t('train.longest')}
              hint={t('train.longestHint')}
              optional
              value={hours}
              min={0}
              step="any"
              unit={t('train.hours')}
              onChange={setHours}
            />
          </div>
        </Card>
        <Card title={t('train.command')}>
          <pre className="hm-command" aria-live="polite">
            {preview.data?.command ?? t('train.commandLater')}
          </pre>
          {preview.error && <ErrorLine error={preview.error} />}
        </Card>
      </div>
      <div className="hm-formverdict">
        {!choice.unmet && <VerdictLine verdict={verdict.data} error={verdict.error} remaining />}
        <ErrorLine error={start.error} />
      </div>
      <footer className="hm-formfoot">
        <Button
          type="submit"
          look="primary"
          icon="play"
          busy={start.isPending}
          disabled={!body || !name || !canStart(verdict.data)}
        >
          {t('train.start')}
        </Button>
        <Button onClick={() => tab.close()}>{t('action.cancel')}</Button>
      </footer>
    </form>
  );
}
