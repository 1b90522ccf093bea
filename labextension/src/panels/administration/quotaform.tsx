/** The limits of one organisation, department or member: used, available, the limits above, and what may be set (TEN-7). */
import { useQuery, useQueryClient } from '@tanstack/react-query';
import type { JSX } from 'react';
import type { Moment } from '../../api/types';
import { Meter } from '../../components/basics';
import { toast } from '../../components/feedback';
import { Icon } from '../../components/icons';
import { FieldNote, type ControlProps } from '../../components/record/fields';
import { RecordForm, type FieldGroup } from '../../components/record/form';
import { resourceAmount, resourceName } from '../../components/verdict';
import { formatList, formatMoment, formatPercent } from '../../domain/format';
import { useFrame } from '../../frame';
import { t } from '../../i18n';
import { useStepUp } from '../../queries/standing';
import { GIB, Loaded } from './parts';

export type QuotaLevel = 'user' | 'department' | 'tenant';

export interface SheetLine {
  resource: string;
  limit: number | null;
  set: boolean;
  effective: number | null;
  used: number;
  used_percent: number | null;
  available: number | null;
  highest: number | null;
  reservable: number | null;
  above: { level: 'department' | 'tenant'; name: string; limit: number | null; used: number }[];
}

export interface QuotaSheet {
  level: QuotaLevel;
  subject: string;
  name: string;
  tenant: string;
  may_set: boolean;
  version: number;
  updated_at: Moment | null;
  updated_by: string | null;
  missing: string[];
  resources: SheetLine[];
}

export interface Subject {
  level: QuotaLevel;
  subject: string;
  tenant: string;
}

/** How many of the smallest unit make one of what people count in. */
export const unitOf = (resource: string): number =>
  resource === 'cpu_millis' ? 1000 : resource.endsWith('_bytes') ? GIB : 1;

export const unitWords = (resource: string): string =>
  resource === 'cpu_millis' ? t('unit.cores') : resource.endsWith('_bytes') ? 'GiB' : t('unit.cards');

export const quotaName = (resource: string): string => (resource === 'image_bytes' ? t('quota.images') : resourceName(resource));

type Limits = Record<string, number | null>;

const limitsOf = (sheet: QuotaSheet): Limits =>
  Object.fromEntries(sheet.resources.map(line => [line.resource, line.set ? line.limit : null]));

export function useSheet(of: Subject) {
  const { client } = useFrame();
  const read = () => client.get<QuotaSheet>('/quotas', { ...of });
  return { answer: useQuery({ queryKey: ['quota', 'sheet', undefined, of], queryFn: read }), read };
}

export function QuotaForm({ of, onCancel }: { of: Subject; onCancel?: () => void }): JSX.Element {
  const { answer, read } = useSheet(of);
  return <Loaded answer={answer}>{sheet => <SheetForm key={`${sheet.level}:${sheet.subject}:${sheet.version}`} sheet={sheet} of={of} read={read} onCancel={onCancel} />}</Loaded>;
}

function SheetForm(props: { sheet: QuotaSheet; of: Subject; read: () => Promise<QuotaSheet>; onCancel?: () => void }): JSX.Element {
  const { sheet, of, read } = props;
  const { client } = useFrame();
  const queries = useQueryClient();
  const stepUp = useStepUp();
  const groups: FieldGroup<Limits>[] = [
    {
      id: 'limits',
      fields: sheet.resources.map(line => ({
        name: line.resource,
        wire: `limits.${line.resource}`,
        type: 'custom' as const,
        label: quotaName(line.resource),
        render: (control: ControlProps<number | null>) => <LimitRow line={line} {...control} readOnly={!sheet.may_set} level={sheet.level} />
      }))
    }
  ];
  return (
    <RecordForm<Limits>
      stored={{ values: limitsOf(sheet), version: sheet.version }}
      groups={groups}
      readOnly={!sheet.may_set}
      save={async (_values, changes, version) => {
        const now = await client.put<QuotaSheet>('/quotas', { ...of, limits: changes }, { version });
        toast(t('quotas.saved', { name: sheet.name }));
        queries.setQueryData(['quota', 'sheet', undefined, of], now);
        void queries.invalidateQueries({ queryKey: ['quota', 'list'] });
      }}
      reload={async () => {
        const now = await read();
        return { values: limitsOf(now), version: now.version };
      }}
      accept={t('action.save')}
      onCancel={props.onCancel}
      stepUp={stepUp.ask}
      above={
        <>
          {sheet.missing.length > 0 && (
            <p className="hm-notice" role="status">
              <Icon name="warning" size={14} />
              {t('quotas.missing', { resources: formatList(sheet.missing.map(quotaName)) })}
            </p>
          )}
          <p className="hm-muted hm-sm">
            {sheet.may_set ? t(`quotas.explain.${sheet.level}`) : t('quotas.readOnly')}
            {sheet.updated_at && ` ${t('quotas.updated', { time: formatMoment(sheet.updated_at), name: sheet.updated_by ?? '–' })}`}
          </p>
          <div className="hm-quotahead" aria-hidden="true">
            <span>{t('bill.resource')}</span>
            <span>{t('quotas.used')}</span>
            <span className="hm-num">{t('quotas.available')}</span>
            <span>{t('quotas.limit')}</span>
          </div>
        </>
      }
    />
  );
}

function LimitRow(props: ControlProps<number | null> & { line: SheetLine; readOnly: boolean; level: QuotaLevel }): JSX.Element {
  const { line, value, onChange, error } = props;
  const unit = unitOf(line.resource);
  const effective = line.effective;
  const share = effective ? line.used / effective : line.used > 0 ? 1 : 0;
  const name = quotaName(line.resource);
  const inherited = line.highest ?? (line.set ? null : line.limit);
  return (
    <div className="hm-quotarow">
      <span>
        <b title={line.resource}>{name}</b>
        <span className="hm-muted hm-sm"> {unitWords(line.resource)}</span>
      </span>
      <span className="hm-quotause">
        <Meter share={share} high={share > 0.9} label={t('quotas.usedOf', { name })} />
        <span className="hm-sm hm-num">
          {resourceAmount(line.resource, line.used)}
          {effective !== null && (
            <span className="hm-muted">
              {' '}
              / {resourceAmount(line.resource, effective)} · {formatPercent(share)}
            </span>
          )}
        </span>
      </span>
      <span className="hm-num">{line.available === null ? <span className="hm-muted">{t('quotas.noLimit')}</span> : resourceAmount(line.resource, line.available)}</span>
      <span>
        <input
          type="number"
          className="hm-input"
          aria-label={t('quotas.limitOf', { name })}
          aria-invalid={!!error || undefined}
          min={0}
          step="any"
          disabled={props.readOnly}
          placeholder={inherited === null ? t('quotas.noLimit') : String(Number((inherited / unit).toFixed(2)))}
          value={value === null ? '' : Number((value / unit).toFixed(4))}
          onChange={event => onChange(event.target.value === '' ? null : Math.round(event.target.valueAsNumber * unit))}
        />
        {line.above.length > 0 && (
          <span className="hm-muted hm-sm hm-abovelimits">
            {line.above.map(level => `${level.name} ${level.limit === null ? t('quotas.noLimit') : resourceAmount(line.resource, level.limit)}`).join(' · ')}
          </span>
        )}
      </span>
      {error && <FieldNote error={error} />}
    </div>
  );
}
