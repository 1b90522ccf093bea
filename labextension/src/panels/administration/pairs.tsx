/** A table of two columns in a form: a text that somebody else chose, and what it means here. */
import { useId, type JSX } from 'react';
import { Button, IconButton } from '../../components/basics';
import { FieldNote, type Choice } from '../../components/record/fields';
import { t } from '../../i18n';

export interface Pair {
  from: string;
  to: string;
}

export interface PairsProps {
  label: string;
  hint?: string;
  from: string;
  to: string;
  /** Without choices the meaning is typed too. */
  options?: readonly Choice[];
  value: readonly Pair[];
  error: string | undefined;
  onChange: (value: Pair[]) => void;
}

export function PairsField(props: PairsProps): JSX.Element {
  const { value, onChange, options } = props;
  const id = useId();
  const set = (at: number, changes: Partial<Pair>) => onChange(value.map((pair, place) => (place === at ? { ...pair, ...changes } : pair)));
  return (
    <fieldset className="hm-field hm-mapped" aria-describedby={id}>
      <legend>{props.label}</legend>
      {value.map((pair, at) => (
        <div key={at} className="hm-maprow">
          <input
            className="hm-input"
            aria-label={`${props.from} ${at + 1}`}
            placeholder={props.from}
            aria-invalid={props.error ? true : undefined}
            spellCheck={false}
            maxLength={512}
            value={pair.from}
            onChange={event => set(at, { from: event.target.value })}
          />
          <span aria-hidden="true">→</span>
          {options ? (
            <select className="hm-input" aria-label={`${props.to} ${at + 1}`} value={pair.to} onChange={event => set(at, { to: event.target.value })}>
              <option value="">{t('sources.choose')}</option>
              {pair.to && !options.some(one => one.value === pair.to) && <option value={pair.to}>{pair.to}</option>}
              {options.map(one => (
                <option key={one.value} value={one.value}>
                  {one.label}
                </option>
              ))}
            </select>
          ) : (
            <input
              className="hm-input"
              aria-label={`${props.to} ${at + 1}`}
              placeholder={props.to}
              maxLength={255}
              value={pair.to}
              onChange={event => set(at, { to: event.target.value })}
            />
          )}
          <IconButton icon="close" small label={t('sources.removeRow', { row: at + 1 })} onClick={() => onChange(value.filter((_, place) => place !== at))} />
        </div>
      ))}
      <span>
        <Button small icon="plus" onClick={() => onChange([...value, { from: '', to: '' }])}>
          {t('sources.addRow')}
        </Button>
      </span>
      {props.error ? <FieldNote error={props.error} id={id} /> : <p className="hm-muted hm-sm" id={id}>{props.hint}</p>}
    </fieldset>
  );
}
