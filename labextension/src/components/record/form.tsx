/**
 * The form of a record, for making and for editing: one description of fields gives the inputs, the changes to send, the
 * refusals beside their fields, the guard of unsaved changes, and what to do when somebody else saved first.
 */
import { useEffect, useMemo, useRef, useState, type FormEvent, type JSX, type KeyboardEvent, type ReactNode } from 'react';
import { isApiError } from '../../api/errors';
import { changedFields, changesOf, merge } from '../../domain/merge';
import { t } from '../../i18n';
import { Button, classes } from '../basics';
import { ErrorLine } from '../feedback';
import { fieldError } from '../fields';
import { Icon } from '../icons';
import { RecordField, type FieldOf } from './fields';
import { useLeave, useUnsaved } from './guard';

export interface FieldGroup<V> {
  id: string;
  title?: string;
  hint?: string;
  /** Short fields, side by side where there is room. */
  twoColumns?: boolean;
  fields: readonly FieldOf<V>[];
}

export interface Stored<V> {
  values: V;
  version: number | undefined;
}

export interface RecordFormProps<V extends object> {
  stored: Stored<V>;
  groups: readonly FieldGroup<V>[];
  /** Sends the record; for an edit only `changes`, under the version that was read. */
  save: (values: V, changes: Partial<V>, version: number | undefined) => Promise<unknown>;
  /** Reads the record again after somebody else changed it; without it the form makes a new one. */
  reload?: () => Promise<Stored<V>>;
  accept: string;
  onCancel?: () => void;
  /** Offered when the platform asks for a proof of presence; saving goes on after it. */
  stepUp?: () => Promise<void>;
  /** Only shown, nothing to change. */
  readOnly?: boolean;
  above?: ReactNode;
  /** Beside the fields, following what is typed. */
  aside?: (values: V) => ReactNode;
}

interface Clash<V> {
  taken: (keyof V & string)[];
  clashing: (keyof V & string)[];
  theirs: V;
}

export function RecordForm<V extends object>(props: RecordFormProps<V>): JSX.Element {
  const { groups, save, reload, stepUp } = props;
  const [base, setBase] = useState(props.stored);
  const [values, setValues] = useState(props.stored.values);
  const [clash, setClash] = useState<Clash<V> | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  const leave = useLeave();
  const fields = useMemo(() => groups.flatMap(group => group.fields), [groups]);
  const changed = changedFields(base.values, values);
  useUnsaved(changed.length > 0 && !props.readOnly);

  const { stored } = props;
  useEffect(() => {
    if (stored.version === base.version) {
      return;
    }
    // The record was read again: after this form's own save nothing differs; what somebody else saved is taken in.
    const merged = merge(base.values, values, stored.values);
    setBase(stored);
    setValues(merged.values);
    if (changed.length > 0 && merged.taken.length + merged.clashing.length > 0) {
      setClash({ ...merged, theirs: stored.values });
    }
    // Only a new version counts, not what is typed.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [stored.version]);

  const send = async () => {
    setBusy(true);
    setError(null);
    try {
      await save(values, changesOf(base.values, values), base.version);
      setBase({ values, version: base.version });
      setClash(null);
    } catch (refused) {
      if (isApiError(refused) && refused.status === 412 && reload) {
        const now = await reload();
        const merged = merge(base.values, values, now.values);
        setBase(now);
        setValues(merged.values);
        setClash({ ...merged, theirs: now.values });
      } else {
        setError(refused);
        requestAnimationFrame(() => form.current?.querySelector<HTMLElement>('[aria-invalid=true]')?.focus());
      }
    } finally {
      setBusy(false);
    }
  };
  const submit = (event?: FormEvent) => {
    event?.preventDefault();
    if (!busy && !props.readOnly) {
      void send();
    }
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
      submit();
    } else if (event.key === 'Escape' && props.onCancel) {
      leave(props.onCancel);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  };

  const asks = isApiError(error) && error.code === 'step_up_required';
  const known = new Set(fields.map(field => field.wire ?? field.name));
  const elsewhere = isApiError(error) && error.fields.some(one => ![...known].some(name => belongs(one.field, name)));
  const atFields = isApiError(error) && error.fields.length > 0 && !elsewhere;
  return (
    <form ref={form} className="hm-record" onSubmit={submit} onKeyDown={onKeyDown} noValidate data-lm-suppress-shortcuts="true">
      <div className="hm-recordbody">
        <div className="hm-recordfields">
          {props.above}
          {clash && <Meanwhile clash={clash} fields={fields} onTheirs={() => (setValues(clash.theirs), setClash(null))} onMine={() => setClash(null)} />}
          <fieldset disabled={props.readOnly} className="hm-plainset">
            {groups.map((group, at) => (
              <section key={group.id} className={classes('hm-recordgroup', group.twoColumns && 'hm-twocolumns')}>
                {group.title && <h2>{group.title}</h2>}
                {group.hint && <p className="hm-muted hm-sm">{group.hint}</p>}
                {group.fields
                  .filter(field => !field.show || field.show(values))
                  .map((field, place) => (
                    <RecordField
                      key={field.name}
                      field={field}
                      values={values}
                      autoFocus={at === 0 && place === 0 && !reload && !props.readOnly}
                      error={fieldError(error, field.wire ?? field.name)}
                      onChange={value => setValues(old => ({ ...old, [field.name]: value }))}
                    />
                  ))}
              </section>
            ))}
          </fieldset>
        </div>
        {props.aside && <aside className="hm-recordaside">{props.aside(values)}</aside>}
      </div>
      {!props.readOnly && (
        <footer className="hm-formfoot">
          {asks && stepUp ? (
            <div className="hm-errorline" role="alert">
              <Icon name="key" size={14} />
              <span className="hm-grow">{t('stepUp.again')}</span>
              <Button small onClick={() => void stepUp().then(send, () => undefined)}>
                {t('stepUp.confirm')}
              </Button>
            </div>
          ) : atFields ? (
            <span className="hm-fail hm-row hm-tight" role="alert">
              <Icon name="warning" size={14} /> {t('form.fix')}
            </span>
          ) : (
            <ErrorLine error={error} />
          )}
          <span className="hm-grow" />
          {changed.length > 0 && reload && <span className="hm-muted hm-sm">{t('record.unsaved', { count: changed.length })}</span>}
          {props.onCancel && <Button onClick={() => leave(() => props.onCancel?.())}>{t('action.cancel')}</Button>}
          <Button type="submit" look="primary" busy={busy} disabled={!!reload && changed.length === 0}>
            {props.accept}
          </Button>
        </footer>
      )}
    </form>
  );
}

/** Refusals name fields inside others too: `limits.cpu` belongs to `limits`. */
const belongs = (field: string, name: string): boolean =>
  field === name || field.startsWith(`${name}.`) || field.startsWith(`${name}[`);

function Meanwhile<V extends object>(props: {
  clash: Clash<V>;
  fields: readonly FieldOf<V>[];
  onMine: () => void;
  onTheirs: () => void;
}): JSX.Element {
  const { taken, clashing } = props.clash;
  const words = (names: readonly string[]) =>
    names.map(name => props.fields.find(field => field.name === name)?.label ?? name).join(', ');
  return (
    <section className="hm-meanwhile" role="alert">
      <Icon name="people" />
      <div className="hm-grow">
        <b>{t('record.meanwhile')}</b>
        {taken.length > 0 && <p>{t('record.taken', { fields: words(taken) })}</p>}
        {clashing.length > 0 ? (
          <p>{t('record.clashing', { fields: words(clashing) })}</p>
        ) : (
          <p>{t('record.mergedHint')}</p>
        )}
      </div>
      {clashing.length > 0 && <Button small onClick={props.onTheirs}>{t('record.theirs')}</Button>}
      <Button small onClick={props.onMine}>{clashing.length > 0 ? t('record.mine') : t('action.close')}</Button>
    </section>
  );
}
