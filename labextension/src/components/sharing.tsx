/** Sharing: the dialog of an own object with its receivers, the segment of lists, and whose a shared object is (GEN-10). */
import { useId, useState, type JSX, type KeyboardEvent } from 'react';
import { isApiError } from '../api/errors';
import { t } from '../i18n';
import { useMe } from '../queries/account';
import { useGive, useGiven, useMay, useTakeBack, type Access, type ReceiverKind, type Share, type ShareDraft, type SharedKind } from '../queries/shares';
import type { Entity } from '../api/types';
import { Button, IconButton, Segment } from './basics';
import { Dialog } from './dialog';
import { ErrorLine, ErrorView, SkeletonRows, toast } from './feedback';
import { SelectField, TextField, fieldError } from './fields';
import { Icon, type IconName } from './icons';
import type { Filter, ListView } from './listpage';

const ACCESS: readonly Access[] = ['view', 'use', 'edit'];
const USEFUL: Record<SharedKind, readonly Access[]> = { dataset: ACCESS, label_group: ['view', 'edit'], model: ACCESS };
const ICONS: Record<ReceiverKind, IconName> = { user: 'person', department: 'people', organisation: 'layers' };

export interface SharedThing extends Pick<Entity, 'id' | 'name' | 'owner'> {
  kind: SharedKind;
}

/** The button of a page; shown to the owner alone, who alone may share. */
export function ShareButton({ thing }: { thing: SharedThing }): JSX.Element | null {
  const { mine, may } = useMay(thing.kind, thing);
  const [open, setOpen] = useState(false);
  if (!mine || !may('sharing.share.manage')) {
    return null;
  }
  return (
    <>
      <Button icon="share" onClick={() => setOpen(true)}>
        {t('share.action')}
      </Button>
      {open && <ShareDialog thing={thing} onClose={() => setOpen(false)} />}
    </>
  );
}

export function ShareDialog({ thing, onClose }: { thing: SharedThing; onClose: () => void }): JSX.Element {
  const me = useMe().data;
  const given = useGiven(thing.kind, thing.id);
  const give = useGive(thing.kind, thing.id);
  const [kind, setKind] = useState<ReceiverKind>('user');
  const [name, setName] = useState('');
  const [access, setAccess] = useState<Access>('view');
  const choose = (next: ReceiverKind) => {
    give.reset();
    setKind(next);
    setName(next === 'department' ? (me?.department?.name ?? '') : '');
  };
  const ready = kind === 'organisation' || name.trim() !== '';
  const share = () => {
    if (ready && !give.isPending) {
      const receiver = kind === 'organisation' ? { kind } : { kind, name: name.trim() };
      give.mutate(
        { receiver, access },
        {
          onSuccess: made => {
            toast(t('share.given', { name: thing.name, receiver: receiverName(made) }));
            setName('');
          }
        }
      );
    }
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Enter' && event.target instanceof HTMLInputElement) {
      event.preventDefault();
      share();
    }
  };
  const refused = isApiError(give.error) ? fieldError(give.error, 'receiver') : undefined;
  return (
    <Dialog title={t('share.title', { name: thing.name })} wide onClose={onClose} error={refused ? null : give.error}>
      <div className="hm-sharewith" onKeyDown={onKeyDown}>
        <Segment
          label={t('share.with')}
          value={kind}
          onChange={choose}
          options={(['user', 'department', 'organisation'] as const).map(value => ({ value, label: t(`share.kind.${value}`) }))}
        />
        <div className="hm-sharerow">
          {kind === 'organisation' ? (
            <p className="hm-field">
              <span>{t('share.with')}</span>
              <b className="hm-ell">{me?.tenant.name}</b>
            </p>
          ) : (
            <TextField
              key={kind}
              label={t(kind === 'user' ? 'share.userName' : 'share.departmentName')}
              value={name}
              autoFocus
              autoComplete="off"
              spellCheck={false}
              error={refused}
              onChange={setName}
            />
          )}
          <SelectField
            label={t('share.access')}
            value={access}
            onChange={setAccess}
            options={USEFUL[thing.kind].map(value => ({ value, label: t(`share.access.${value}`) }))}
          />
          <Button look="primary" busy={give.isPending} disabled={!ready} onClick={share}>
            {t('share.action')}
          </Button>
        </div>
        <p className="hm-muted hm-sm">{t(`share.hint.${thing.kind}.${access}`)}</p>
      </div>
      <Receivers answer={given} thing={thing} />
    </Dialog>
  );
}

const receiverName = (share: Share): string => share.receiver.name;
const receiverOf = ({ receiver }: Share): ShareDraft['receiver'] =>
  receiver.id === null ? { kind: receiver.kind } : { kind: receiver.kind, id: receiver.id };

function Receivers({ answer, thing }: { answer: ReturnType<typeof useGiven>; thing: SharedThing }): JSX.Element {
  const heading = useId();
  const give = useGive(thing.kind, thing.id);
  const back = useTakeBack();
  if (!answer.data) {
    return answer.error ? <ErrorView error={answer.error} onRetry={() => void answer.refetch()} /> : <SkeletonRows rows={2} />;
  }
  return (
    <section className="hm-receivers" aria-labelledby={heading}>
      <h3 id={heading}>
        {t('share.receivers')} <span className="hm-muted">{answer.data.length}</span>
      </h3>
      {answer.data.length === 0 ? (
        <p className="hm-muted">{t('share.nobody')}</p>
      ) : (
        <ul className="hm-filelist">
          {answer.data.map(share => (
            <li key={share.id}>
              <Icon name={ICONS[share.receiver.kind]} />
              <b className="hm-ell">{receiverName(share)}</b>
              <span className="hm-muted hm-grow hm-ell">{t(`share.kind.${share.receiver.kind}`)}</span>
              <select
                className="hm-input hm-small"
                aria-label={t('share.accessOf', { name: receiverName(share) })}
                value={share.access}
                onChange={event => give.mutate({ receiver: receiverOf(share), access: event.target.value as Access })}
              >
                {USEFUL[thing.kind].map(value => (
                  <option key={value} value={value}>
                    {t(`share.access.${value}`)}
                  </option>
                ))}
              </select>
              <IconButton
                icon="close"
                small
                label={t('share.takeBack', { name: receiverName(share) })}
                busy={back.isPending && back.variables === share.id}
                onClick={() => back.mutate(share.id, { onSuccess: () => toast(t('share.taken', { name: receiverName(share) })) })}
              />
            </li>
          ))}
        </ul>
      )}
      <ErrorLine error={back.error ?? give.error} />
    </section>
  );
}

/** Keeps in a list's view whether what others shared is shown; not drawn as a chip, the segment is. */
export const SHARED: Filter = { id: 'shared', label: '', options: [] };

export function SharedSegment({ view }: { view: ListView }): JSX.Element {
  return (
    <Segment
      label={t('share.filter')}
      value={view.filter('shared')}
      onChange={value => view.setFilter('shared', value)}
      options={[
        { value: '', label: t('filter.all') },
        { value: 'false', label: t('share.filter.own') },
        { value: 'true', label: t('share.filter.received') }
      ]}
    />
  );
}

/** Whose it is, said only where it is not the person's own. */
export function OwnerNote({ of }: { of: Pick<Entity, 'owner'> }): JSX.Element | null {
  const me = useMe().data;
  if (!me || of.owner.id === me.user.id || !of.owner.name) {
    return null;
  }
  return (
    <span className="hm-muted hm-sm hm-row hm-tight hm-owner" title={t('share.of', { name: of.owner.name })}>
      <Icon name="person" size={12} />
      <span className="hm-ell">{of.owner.name}</span>
    </span>
  );
}
