/** Form fields: a label, the control, what the field is for, and the platform's refusal beside it. */
import {
  useId,
  type InputHTMLAttributes,
  type JSX,
  type ReactNode,
  type SelectHTMLAttributes,
  type TextareaHTMLAttributes
} from 'react';
import { isApiError } from '../api/errors';
import { t } from '../i18n';
import { classes } from './basics';
import { Icon } from './icons';

/** The message an API error holds for a field, also for fields inside it (`labels[2].name` belongs to `labels`). */
export function fieldError(error: unknown, field: string): string | undefined {
  if (!isApiError(error)) {
    return undefined;
  }
  return error.fields.find(
    one => one.field === field || one.field.startsWith(`${field}.`) || one.field.startsWith(`${field}[`)
  )?.message;
}

interface FieldShellProps {
  label: string;
  hint?: ReactNode;
  error?: string;
  optional?: boolean;
  /** Shows how many characters are used. */
  used?: number;
  limit?: number;
}

interface Ids {
  id: string;
  describedBy: string | undefined;
  invalid: boolean;
}

function Shell(props: FieldShellProps & { children: (ids: Ids) => ReactNode }): JSX.Element {
  const id = useId();
  const note = props.error ?? props.hint;
  const near = props.limit !== undefined && props.used !== undefined && props.used > props.limit * 0.8;
  return (
    <div className="hm-field">
      <label htmlFor={id}>
        {props.label}
        {props.optional && <span className="hm-muted hm-sm"> {t('field.optional')}</span>}
        {near && (
          <span className="hm-muted hm-sm hm-right">
            {t('field.length', { used: props.used ?? 0, limit: props.limit ?? 0 })}
          </span>
        )}
      </label>
      {props.children({ id, describedBy: note ? `${id}-note` : undefined, invalid: !!props.error })}
      {note && (
        <p id={`${id}-note`} className={props.error ? 'hm-fail' : 'hm-muted'} role={props.error ? 'alert' : undefined}>
          {props.error && <Icon name="warning" size={12} />}
          {note}
        </p>
      )}
    </div>
  );
}

type Bare<T> = Omit<T, 'onChange' | 'value' | 'id'>;

export interface TextFieldProps extends FieldShellProps, Bare<InputHTMLAttributes<HTMLInputElement>> {
  value: string;
  onChange: (value: string) => void;
}

export function TextField({ label, hint, error, optional, limit, value, onChange, ...rest }: TextFieldProps): JSX.Element {
  return (
    <Shell {...{ label, hint, error, optional, limit }} used={Array.from(value).length}>
      {({ id, describedBy, invalid }) => (
        <input
          type="text"
          className="hm-input"
          {...rest}
          id={id}
          value={value}
          aria-describedby={describedBy}
          aria-invalid={invalid || undefined}
          onChange={event => onChange(event.target.value)}
        />
      )}
    </Shell>
  );
}

export interface AreaFieldProps extends FieldShellProps, Bare<TextareaHTMLAttributes<HTMLTextAreaElement>> {
  value: string;
  onChange: (value: string) => void;
}

export function AreaField({ label, hint, error, optional, limit, value, onChange, ...rest }: AreaFieldProps): JSX.Element {
  return (
    <Shell {...{ label, hint, error, optional, limit }} used={Array.from(value).length}>
      {({ id, describedBy, invalid }) => (
        <textarea
          rows={2}
          {...rest}
          className={classes('hm-input', rest.className)}
          id={id}
          value={value}
          aria-describedby={describedBy}
          aria-invalid={invalid || undefined}
          onChange={event => onChange(event.target.value)}
        />
      )}
    </Shell>
  );
}

export interface NumberFieldProps extends FieldShellProps, Bare<InputHTMLAttributes<HTMLInputElement>> {
  /** Null while the field is empty or not a number. */
  value: number | null;
  onChange: (value: number | null) => void;
  unit?: string;
}

export function NumberField({ label, hint, error, optional, value, onChange, unit, ...rest }: NumberFieldProps): JSX.Element {
  return (
    <Shell {...{ label, hint, error, optional }}>
      {({ id, describedBy, invalid }) => (
        <span className="hm-unit">
          <input
            type="number"
            className="hm-input"
            {...rest}
            id={id}
            value={value ?? ''}
            aria-describedby={describedBy}
            aria-invalid={invalid || undefined}
            onChange={event => onChange(event.target.value === '' ? null : event.target.valueAsNumber)}
          />
          {unit && <span className="hm-muted">{unit}</span>}
        </span>
      )}
    </Shell>
  );
}

export interface SelectFieldProps<T extends string> extends FieldShellProps, Bare<SelectHTMLAttributes<HTMLSelectElement>> {
  value: T;
  onChange: (value: T) => void;
  options: readonly { value: T; label: string; disabled?: boolean }[];
}

export function SelectField<T extends string>(props: SelectFieldProps<T>): JSX.Element {
  const { label, hint, error, optional, value, onChange, options, ...rest } = props;
  return (
    <Shell {...{ label, hint, error, optional }}>
      {({ id, describedBy, invalid }) => (
        <span className="hm-select">
          <select
            className="hm-input"
            {...rest}
            id={id}
            value={value}
            aria-describedby={describedBy}
            aria-invalid={invalid || undefined}
            onChange={event => onChange(event.target.value as T)}
          >
            {options.map(option => (
              <option key={option.value} value={option.value} disabled={option.disabled}>
                {option.label}
              </option>
            ))}
          </select>
          <Icon name="chevron" size={12} />
        </span>
      )}
    </Shell>
  );
}

export function CheckField(props: {
  label: string;
  hint?: string;
  checked: boolean;
  onChange: (checked: boolean) => void;
}): JSX.Element {
  const id = useId();
  return (
    <div className="hm-field hm-check">
      <input
        type="checkbox"
        id={id}
        checked={props.checked}
        aria-describedby={props.hint ? `${id}-note` : undefined}
        onChange={event => props.onChange(event.target.checked)}
      />
      <label htmlFor={id}>{props.label}</label>
      {props.hint && (
        <p id={`${id}-note`} className="hm-muted">
          {props.hint}
        </p>
      )}
    </div>
  );
}

export interface RadioCard<T extends string> {
  value: T;
  title: string;
  note?: string;
}

/** A choice of few, each with a sentence; arrow keys move between them as the browser does for radio buttons. */
export function RadioCards<T extends string>(props: {
  label: string;
  value: T;
  options: readonly RadioCard<T>[];
  onChange: (value: T) => void;
}): JSX.Element {
  const name = useId();
  return (
    <fieldset className="hm-field hm-radios">
      <legend>{props.label}</legend>
      <div>
        {props.options.map(option => (
          <label key={option.value} className={option.value === props.value ? 'hm-on' : undefined}>
            <input
              type="radio"
              name={name}
              checked={option.value === props.value}
              onChange={() => props.onChange(option.value)}
            />
            <span>
              <b>{option.title}</b>
              {option.note && <span className="hm-muted hm-sm">{option.note}</span>}
            </span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}

export function SearchBox(props: {
  value: string;
  onChange: (value: string) => void;
  label: string;
  width?: number;
}): JSX.Element {
  return (
    <span className="hm-searchbox" style={{ width: props.width ?? 216 }}>
      <Icon name="search" />
      <input
        type="search"
        value={props.value}
        placeholder={props.label}
        aria-label={props.label}
        onChange={event => props.onChange(event.target.value)}
      />
    </span>
  );
}
