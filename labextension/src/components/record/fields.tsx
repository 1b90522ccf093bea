/** The fields of a record's form, described once; each shows its own refusal. */
import { useId, useState, type JSX, type ReactNode } from 'react';
import { t } from '../../i18n';
import { AreaField, CheckField, NumberField, SelectField, TextField } from '../fields';
import { Icon } from '../icons';

export interface Choice {
  value: string;
  label: string;
  note?: string;
  disabled?: boolean;
}

export interface ControlProps<T> {
  value: T;
  /** A method, so that a control of one type fits a description of fields of many. */
  onChange(this: void, value: T): void;
  error: string | undefined;
}

interface Common<V> {
  name: keyof V & string;
  label: string;
  hint?: ReactNode;
  optional?: boolean;
  /** Where the platform names the field otherwise. */
  wire?: string;
  show?: (values: V) => boolean;
  disabled?: boolean;
}

export type FieldOf<V> = Common<V> &
  (
    | { type: 'text'; limit?: number; mono?: boolean; placeholder?: string; secret?: boolean }
    | { type: 'area'; limit?: number; rows?: number }
    | { type: 'number'; unit?: string; min?: number; max?: number; step?: number | 'any' }
    | { type: 'check' }
    | { type: 'select'; options: readonly Choice[] }
    | { type: 'many'; options: readonly Choice[]; empty?: string }
    | { type: 'lines'; rows?: number }
    | { type: 'moment' }
    | { type: 'custom'; render: (props: ControlProps<never>, values: V) => ReactNode }
  );

export function RecordField<V extends object>(props: {
  field: FieldOf<V>;
  values: V;
  error: string | undefined;
  autoFocus?: boolean;
  onChange: (value: unknown) => void;
}): JSX.Element {
  const { field, values, error, onChange, autoFocus } = props;
  const value: unknown = values[field.name];
  const shell = { label: field.label, hint: field.hint, optional: field.optional, error, disabled: field.disabled, autoFocus };
  switch (field.type) {
    case 'text':
      return (
        <TextField
          {...shell}
          limit={field.limit}
          placeholder={field.placeholder}
          type={field.secret ? 'password' : 'text'}
          autoComplete={field.secret ? 'new-password' : 'off'}
          spellCheck={field.mono ? false : undefined}
          value={text(value)}
          onChange={onChange}
        />
      );
    case 'area':
      return <AreaField {...shell} limit={field.limit} rows={field.rows ?? 3} value={text(value)} onChange={onChange} />;
    case 'number':
      return (
        <NumberField
          {...shell}
          unit={field.unit}
          min={field.min}
          max={field.max}
          step={field.step ?? 1}
          value={typeof value === 'number' ? value : null}
          onChange={onChange}
        />
      );
    case 'check':
      return (
        <div className={error ? 'hm-field hm-checkerror' : undefined}>
          <CheckField label={field.label} hint={hintText(field.hint)} checked={value === true} onChange={onChange} />
          {error && <FieldNote error={error} />}
        </div>
      );
    case 'select':
      return <SelectField {...shell} options={field.options} value={text(value)} onChange={onChange} />;
    case 'many':
      return (
        <ManyField {...shell} options={field.options} empty={field.empty} value={Array.isArray(value) ? (value as string[]) : []} onChange={onChange} />
      );
    case 'lines':
      return (
        <LinesField {...shell} rows={field.rows ?? 4} value={Array.isArray(value) ? (value as string[]) : []} onChange={onChange} />
      );
    case 'moment':
      return (
        <TextField
          {...shell}
          type="datetime-local"
          value={localMoment(typeof value === 'string' ? value : null)}
          onChange={written => onChange(written ? new Date(written).toISOString() : null)}
        />
      );
    case 'custom':
      return <>{field.render({ value: value as never, onChange, error }, values)}</>;
  }
}

const text = (value: unknown): string => (typeof value === 'string' || typeof value === 'number' ? String(value) : '');
const hintText = (hint: ReactNode): string | undefined => (typeof hint === 'string' ? hint : undefined);

export function FieldNote({ error, id }: { error: string; id?: string }): JSX.Element {
  return (
    <p className="hm-fail hm-row hm-tight hm-sm" role="alert" id={id}>
      <Icon name="warning" size={12} />
      {error}
    </p>
  );
}

/** A moment as the browser's own field writes it, in the person's zone. */
export function localMoment(moment: string | null): string {
  if (!moment) {
    return '';
  }
  const date = new Date(moment);
  const shifted = new Date(date.getTime() - date.getTimezoneOffset() * 60_000);
  return shifted.toISOString().slice(0, 16);
}

interface ManyProps {
  label: string;
  hint?: ReactNode;
  optional?: boolean;
  error?: string;
  options: readonly Choice[];
  empty?: string;
  value: readonly string[];
  onChange: (value: string[]) => void;
}

/** Several of a list: boxes to tick, with a search when the list is long. */
export function ManyField(props: ManyProps): JSX.Element {
  const id = useId();
  const [search, setSearch] = useState('');
  const wanted = search.trim().toLowerCase();
  const shown = props.options.filter(option => !wanted || `${option.label} ${option.value}`.toLowerCase().includes(wanted));
  const note = props.error ?? props.hint;
  return (
    <fieldset className="hm-field" aria-describedby={note ? id : undefined}>
      <legend>
        {props.label}
        {props.optional && <span className="hm-muted hm-sm"> {t('field.optional')}</span>}
        {props.value.length > 0 && <span className="hm-muted hm-sm"> {t('record.chosen', { count: props.value.length })}</span>}
      </legend>
      {props.options.length > 10 && (
        <input
          type="search"
          className="hm-input"
          placeholder={t('record.narrow')}
          aria-label={t('record.narrow')}
          value={search}
          onChange={event => setSearch(event.target.value)}
        />
      )}
      <div className="hm-many">
        {shown.map(option => (
          <label key={option.value} className={option.disabled ? 'hm-muted' : undefined}>
            <input
              type="checkbox"
              checked={props.value.includes(option.value)}
              disabled={option.disabled}
              onChange={event =>
                props.onChange(
                  event.target.checked ? [...props.value, option.value] : props.value.filter(one => one !== option.value)
                )
              }
            />
            <span>
              {option.label}
              {option.note && <span className="hm-muted hm-sm"> {option.note}</span>}
            </span>
          </label>
        ))}
        {!shown.length && <p className="hm-muted hm-sm">{wanted ? t('list.nothing') : props.empty}</p>}
      </div>
      {props.error ? (
        <FieldNote error={props.error} id={id} />
      ) : (
        props.hint && (
          <p className="hm-muted hm-sm" id={id}>
            {props.hint}
          </p>
        )
      )}
    </fieldset>
  );
}

/** One entry a line; empty lines are none. Keeps what is typed, so that a line can end with a space while typing. */
function LinesField(props: Omit<ManyProps, 'options'> & { rows: number }): JSX.Element {
  const [typed, setTyped] = useState(props.value.join('\n'));
  const parsed = linesOf(typed);
  const shown = parsed.length === props.value.length && parsed.every((line, at) => line === props.value[at]) ? typed : props.value.join('\n');
  return (
    <AreaField
      label={props.label}
      hint={props.hint}
      optional={props.optional}
      error={props.error}
      rows={props.rows}
      value={shown}
      onChange={written => {
        setTyped(written);
        props.onChange(linesOf(written));
      }}
    />
  );
}

const linesOf = (written: string): string[] => written.split('\n').map(line => line.trim()).filter(Boolean);
