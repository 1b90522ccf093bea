/** Resource specs: the sizes that people choose from (CON-1). */
import { useQuery } from '@tanstack/react-query';
import { useId, useState, type JSX } from 'react';
import type { ResourceSpec, Scenario } from '../../api/types';
import { Button, Card } from '../../components/basics';
import { Empty, toast } from '../../components/feedback';
import type { ControlProps } from '../../components/record/fields';
import { RecordForm, type FieldGroup } from '../../components/record/form';
import { useLeave } from '../../components/record/guard';
import { RecordPage } from '../../components/record/page';
import { NumberField, TextField } from '../../components/fields';
import { ListPage, useListView } from '../../components/listpage';
import type { Column } from '../../components/table';
import { acceleratorName, formatCpu, formatMemory, formatMoney, formatResources } from '../../domain/format';
import { useFrame } from '../../frame';
import { t, tValue } from '../../i18n';
import { keys } from '../../queries/keys';
import { useRecordChanges, wholeList, type Collection } from '../../queries/records';
import { useStepUp } from '../../queries/standing';
import { Ask, Loaded, MIB } from './parts';
import { NEW, usePlace } from './place';
import { PodPreview } from './podpreview';

export type SpecKind = 'basic' | 'gpu' | 'gpu_mig' | 'npu' | 'vnpu';

export interface Spec extends ResourceSpec {
  kind: SpecKind;
  version: number;
}

/** What any one node has at most, and which accelerator resources the nodes know. */
interface Largest {
  cpu_millis: number;
  memory_bytes: number;
  nodes: number;
  accelerators: { resource: string; kind: SpecKind; cards: string[]; largest: number; total: number; nodes: number }[];
}

const KINDS: readonly SpecKind[] = ['basic', 'gpu', 'gpu_mig', 'npu', 'vnpu'];

const SPECS: Collection<Spec> = { kind: 'resource_spec', path: '/specs', key: spec => spec.id };
const SCENARIOS: readonly Scenario[] = ['any', 'notebook', 'training', 'inference', 'annotation', 'visualisation'];

export function useSpecs() {
  const { client } = useFrame();
  return useQuery({
    queryKey: keys.list(SPECS.kind),
    queryFn: ({ signal }) => client.get<Spec[]>('/specs', undefined, signal)
  });
}

const specWords = (values: SpecValues): string =>
  values.kind === 'basic'
    ? formatResources({ cpu_millis: values.cpu_millis, memory_bytes: values.memory_bytes, accelerators: {} })
    : Object.entries(values.accelerators)
        .map(([name, count]) => `${count} × ${values.accelerator_label || acceleratorName(name)}`)
        .join(', ') || '–';

const accelerators = (spec: ResourceSpec): string =>
  Object.entries(spec.resources.accelerators)
    .map(([name, count]) => `${count} × ${spec.accelerator_label ?? acceleratorName(name)}`)
    .join(', ');

const columns = (): Column<Spec>[] => [
  { id: 'name', title: t('record.name'), width: 160, grow: 2, sort: 'name', cell: spec => <b>{spec.name}</b> },
  { id: 'kind', title: t('specs.kind'), width: 120, sort: 'kind', cell: spec => tValue('specKind', spec.kind) },
  { id: 'scenario', title: t('specs.scenario'), width: 128, sort: 'scenario', cell: spec => tValue('scenario', spec.scenario) },
  { id: 'cpu', title: t('quota.cpu'), width: 72, numeric: true, sort: 'cpu', cell: spec => (spec.resources.cpu_millis ? formatCpu(spec.resources.cpu_millis) : <span className="hm-muted">–</span>) },
  { id: 'memory', title: t('quota.memory'), width: 96, numeric: true, sort: 'memory', cell: spec => (spec.resources.memory_bytes ? formatMemory(spec.resources.memory_bytes) : <span className="hm-muted">–</span>) },
  { id: 'accelerator', title: t('specs.accelerators'), width: 120, grow: 1, above: 620, cell: spec => accelerators(spec) || <span className="hm-muted">–</span> },
  {
    id: 'price',
    title: t('price.perHour'),
    width: 120,
    numeric: true,
    above: 520,
    sort: 'price',
    cell: spec => (spec.price_per_hour_micros ? formatMoney(spec.price_per_hour_micros, 4) : <span className="hm-muted">{t('money.free')}</span>)
  }
];

export default function SpecsSection(): JSX.Element {
  const specs = useSpecs();
  const view = useListView([], 'cpu');
  const place = usePlace();
  const changes = useRecordChanges(SPECS);
  const [selected, setSelected] = useState<ReadonlySet<number>>(new Set());
  const [deleting, setDeleting] = useState(false);
  if (place.record === NEW) {
    return <SpecPage />;
  }
  if (place.record) {
    return (
      <Loaded answer={specs}>
        {all => {
          const spec = all.find(one => String(one.id) === place.record);
          return spec ? <SpecPage spec={spec} /> : <Empty icon="cube" title={t('error.notFound')} action={<Button onClick={place.close}>{t('specs.title')}</Button>} />;
        }}
      </Loaded>
    );
  }
  const list = wholeList(specs, view, spec => `${spec.name} ${tValue('scenario', spec.scenario)} ${accelerators(spec)}`, {
    name: spec => spec.name,
    kind: spec => KINDS.indexOf(spec.kind),
    scenario: spec => spec.scenario,
    cpu: spec => spec.resources.cpu_millis,
    memory: spec => spec.resources.memory_bytes,
    price: spec => spec.price_per_hour_micros
  });
  const chosen = list.items.filter(spec => selected.has(spec.id));
  const create = (
    <Button look="primary" icon="plus" onClick={() => place.open(NEW)}>
      {t('specs.new')}
    </Button>
  );
  return (
    <>
      <ListPage
        title={t('specs.title')}
        list={list}
        view={view}
        columns={columns()}
        id={spec => spec.id}
        name={spec => spec.name}
        onOpen={spec => place.open(spec.id)}
        selected={selected}
        onSelect={setSelected}
        actions={create}
        bulk={() => (
          <Button look="quiet" icon="trash" className="hm-fail" onClick={() => setDeleting(true)}>
            {t('action.delete')}
          </Button>
        )}
        empty={
          <Empty icon="cube" title={t('specs.empty')} action={create}>
            {t('specs.emptyHint')}
          </Empty>
        }
      />
      {deleting && chosen.length > 0 && (
        <Ask
          title={t('specs.deleteMany', { count: chosen.length })}
          accept={t('action.delete')}
          danger
          run={async () => {
            for (const spec of chosen) {
              await changes.remove(spec.id, spec.version);
            }
            setSelected(new Set());
            toast(t('specs.deleted', { count: chosen.length }));
          }}
          onClose={() => setDeleting(false)}
        >
          <p>{t('specs.deleteText')}</p>
        </Ask>
      )}
    </>
  );
}

interface SpecValues {
  name: string;
  kind: SpecKind;
  scenario: string;
  cpu_millis: number;
  memory_bytes: number;
  accelerators: Record<string, number>;
  accelerator_label: string | null;
}

const valuesOf = (spec: Spec): SpecValues => ({
  name: spec.name,
  kind: spec.kind,
  scenario: spec.scenario,
  cpu_millis: spec.resources.cpu_millis,
  memory_bytes: spec.resources.memory_bytes,
  accelerators: spec.resources.accelerators,
  accelerator_label: spec.accelerator_label
});

const FIRST: SpecValues = {
  name: '',
  kind: 'basic',
  scenario: 'any',
  cpu_millis: 1000,
  memory_bytes: 2048 * MIB,
  accelerators: {},
  accelerator_label: null
};

/** What is sent: a basic spec has no accelerators, the others nothing else. */
const bodyOf = (values: SpecValues): Partial<SpecValues> =>
  values.kind === 'basic' ? { ...values, accelerators: {}, accelerator_label: null } : { ...values, cpu_millis: 0, memory_bytes: 0 };

function groupsFor(largest: Largest | undefined, made: boolean): FieldGroup<SpecValues>[] {
  const most = (words: string) => (largest ? t('specs.largest', { amount: words }) : undefined);
  return [
    {
      id: 'name',
      fields: [
        { name: 'name', type: 'text', label: t('record.name'), limit: 32, hint: t('specs.nameHint') },
        {
          name: 'kind',
          type: 'select',
          label: t('specs.kind'),
          disabled: made,
          hint: made ? t('specs.kindFixed') : t('specs.kindHint'),
          options: KINDS.map(value => ({ value, label: tValue('specKind', value) }))
        },
        {
          name: 'scenario',
          type: 'select',
          label: t('specs.scenario'),
          hint: t('specs.scenarioHint'),
          options: SCENARIOS.map(value => ({ value, label: tValue('scenario', value) }))
        }
      ]
    },
    {
      id: 'size',
      title: t('specs.size'),
      fields: [
        {
          name: 'cpu_millis',
          type: 'custom',
          label: t('quota.cpu'),
          show: values => values.kind === 'basic',
          render: ({ value, onChange, error }: Control<number>) => (
            <NumberField
              label={t('quota.cpu')}
              unit={t('unit.cores')}
              min={0.1}
              step={0.5}
              value={value / 1000}
              error={error}
              hint={largest && most(formatCpu(largest.cpu_millis))}
              onChange={cores => onChange(Math.round((cores ?? 0) * 1000))}
            />
          )
        },
        {
          name: 'memory_bytes',
          type: 'custom',
          label: t('quota.memory'),
          show: values => values.kind === 'basic',
          render: ({ value, onChange, error }: Control<number>) => (
            <NumberField
              label={t('quota.memory')}
              unit={`MiB = ${formatMemory(value)}`}
              min={16}
              step={256}
              value={Math.round(value / MIB)}
              error={error}
              hint={largest && most(formatMemory(largest.memory_bytes))}
              onChange={mib => onChange(Math.round((mib ?? 0) * MIB))}
            />
          )
        },
        {
          name: 'accelerators',
          type: 'custom',
          label: t('specs.accelerators'),
          show: values => values.kind !== 'basic',
          render: (control: Control<Record<string, number>>, values: SpecValues) => (
            <AcceleratorField {...control} kind={values.kind} largest={largest} />
          )
        },
        {
          name: 'accelerator_label',
          type: 'text',
          label: t('specs.card'),
          optional: true,
          limit: 64,
          hint: t('specs.cardHint'),
          show: values => values.kind !== 'basic'
        }
      ]
    }
  ];
}

type Control<T> = ControlProps<T>;

/** One accelerator resource and its count; the resources come from the nodes, and another can be named by hand. */
function AcceleratorField(props: Control<Record<string, number>> & { kind: SpecKind; largest: Largest | undefined }): JSX.Element {
  const id = useId();
  const [name, count] = Object.entries(props.value)[0] ?? ['', 1];
  const known = props.largest?.accelerators.filter(one => one.kind === props.kind) ?? [];
  const found = known.find(one => one.resource === name);
  const write = (resource: string, amount: number) => props.onChange(resource ? { [resource]: amount } : {});
  return (
    <div className="hm-accrow">
      <TextField
        label={t('specs.resourceName')}
        list={id}
        placeholder={known[0]?.resource ?? 'nvidia.com/gpu'}
        spellCheck={false}
        value={name}
        error={props.error}
        hint={known.length ? known.map(one => one.resource).join(', ') : t('specs.noneKnown')}
        onChange={next => write(next, count)}
      />
      <NumberField
        label={t('specs.count')}
        min={1}
        value={count}
        hint={found && t('specs.largest', { amount: found.largest })}
        onChange={next => write(name, next ?? 0)}
      />
      <datalist id={id}>
        {known.map(one => (
          <option key={one.resource} value={one.resource}>
            {one.cards.join(', ')}
          </option>
        ))}
      </datalist>
    </div>
  );
}

function SpecPage({ spec }: { spec?: Spec }): JSX.Element {
  const place = usePlace();
  const leave = useLeave();
  const changes = useRecordChanges(SPECS, ['price']);
  const stepUp = useStepUp();
  const { client } = useFrame();
  const largest = useQuery({
    queryKey: [SPECS.kind, 'largest'],
    queryFn: ({ signal }) => client.get<Largest>('/spec-limits', undefined, signal)
  });
  const [deleting, setDeleting] = useState(false);
  const save = async (values: SpecValues, changed: Partial<SpecValues>, version: number | undefined) => {
    if (spec && version !== undefined) {
      await changes.update(spec.id, { ...changed, kind: undefined }, version);
      toast(t('record.saved', { name: values.name }));
    } else {
      await changes.create(bodyOf(values));
      toast(t('record.createdNow', { name: values.name }));
      place.close();
    }
  };
  const reload = async () => {
    const now = (await client.get<Spec[]>('/specs')).find(one => one.id === spec?.id);
    return { values: now ? valuesOf(now) : FIRST, version: now?.version };
  };
  return (
    <RecordPage
      list={t('specs.title')}
      onBack={place.close}
      title={spec?.name ?? t('specs.new')}
      aside={spec && <span className="hm-muted">{specWords(valuesOf(spec))}</span>}
      actions={
        spec && (
          <Button look="danger" icon="trash" onClick={() => leave(() => setDeleting(true))}>
            {t('action.delete')}
          </Button>
        )
      }
    >
      <RecordForm<SpecValues>
        key={spec?.id ?? NEW}
        stored={{ values: spec ? valuesOf(spec) : FIRST, version: spec?.version }}
        groups={groupsFor(largest.data, !!spec)}
        save={save}
        reload={spec ? reload : undefined}
        accept={spec ? t('action.save') : t('specs.create')}
        onCancel={place.close}
        stepUp={stepUp.ask}
        aside={values => (
          <Card title={t('specs.preview')}>
            <p>
              <b>{values.name || t('specs.unnamed')}</b>
            </p>
            <p className="hm-muted">
              {specWords(values)}
            </p>
            <p className="hm-muted hm-sm">{spec ? t('specs.runningKeeps') : t('specs.offered')}</p>
            <PodPreview size={values} />
          </Card>
        )}
      />
      {deleting && spec && (
        <Ask
          title={t('record.deleteTitle', { name: spec.name })}
          accept={t('action.delete')}
          danger
          run={async () => {
            await changes.remove(spec.id, spec.version);
            toast(t('specs.deleted', { count: 1 }));
            place.close();
          }}
          onClose={() => setDeleting(false)}
        >
          <p>{t('specs.deleteText')}</p>
        </Ask>
      )}
    </RecordPage>
  );
}
