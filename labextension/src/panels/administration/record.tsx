/**
 * What the sections of named records have in common: the list that opens and makes them, the form for a new one and
 * for one that is there, its parts as tabs, and enabling, disabling and deleting with their questions.
 */
import { useState, type JSX, type ReactNode } from 'react';
import { Button } from '../../components/basics';
import { Empty, toast, toastError } from '../../components/feedback';
import type { IconName } from '../../components/icons';
import { ListPage, type ListPageProps } from '../../components/listpage';
import { Menu, type MenuItem } from '../../components/menu';
import { RecordForm, type FieldGroup } from '../../components/record/form';
import { useLeave } from '../../components/record/guard';
import { RecordPage } from '../../components/record/page';
import { PartTabs, type Part } from '../../components/record/tabs';
import { t } from '../../i18n';
import type { RecordChanges } from '../../queries/records';
import { useStepUp } from '../../queries/standing';
import { Ask } from './parts';
import { NEW, usePlace } from './place';

export interface RecordListProps<T> extends Omit<ListPageProps<T>, 'empty' | 'onOpen'> {
  /** What a row opens by; without it the row's number does. */
  opens?: (item: T) => string | number;
  /** Words of the button that makes one; without them nobody is offered to. */
  create?: string;
  empty: { icon: IconName; title: string; hint?: string };
}

/** The list, with the button that makes a new one at its head and where it is empty. */
export function RecordList<T>({ opens, create, empty, actions, ...list }: RecordListProps<T>): JSX.Element {
  const place = usePlace();
  const button = create && (
    <Button look="primary" icon="plus" onClick={() => place.open(NEW)}>
      {create}
    </Button>
  );
  return (
    <ListPage
      {...list}
      onOpen={one => place.open((opens ?? list.id)(one))}
      actions={
        <>
          {actions}
          {button}
        </>
      }
      empty={
        <Empty icon={empty.icon} title={empty.title} action={button}>
          {empty.hint}
        </Empty>
      }
    />
  );
}

interface FormOf<V> {
  groups: readonly FieldGroup<V>[];
  above?: ReactNode;
}

/** The form of a new record. */
export function NewForm<V extends object>(props: FormOf<V> & { first: V; accept: string; save: (values: V) => Promise<unknown> }): JSX.Element {
  const place = usePlace();
  const stepUp = useStepUp();
  const { first, ...form } = props;
  return <RecordForm<V> {...form} stored={{ values: first, version: undefined }} onCancel={place.close} stepUp={stepUp.ask} />;
}

export interface EditFormProps<T, V> extends FormOf<V> {
  record: T;
  changes: RecordChanges<T>;
  id: string | number;
  valuesOf: (record: T) => V;
  /** What to send of the changes, where that is not the changes as they are. */
  bodyOf?: (changed: Partial<V>, values: V) => unknown;
  /** The record's name once these values are saved. */
  nameOf: (values: V) => string;
  may: boolean;
}

/** The form of a record that is there, saved under the version that was read. */
export function EditForm<T extends { version: number }, V extends object>(props: EditFormProps<T, V>): JSX.Element {
  const { record, changes, id, valuesOf, bodyOf, nameOf, may, ...form } = props;
  const place = usePlace();
  const stepUp = useStepUp();
  return (
    <RecordForm<V>
      key={id}
      {...form}
      stored={{ values: valuesOf(record), version: record.version }}
      readOnly={!may}
      save={async (values, changed, version) => {
        await changes.update(id, bodyOf ? bodyOf(changed, values) : changed, version ?? 0);
        toast(t('record.saved', { name: nameOf(values) }));
      }}
      reload={async () => {
        const now = await changes.read(id);
        return { values: valuesOf(now), version: now.version };
      }}
      accept={t('action.save')}
      onCancel={place.close}
      stepUp={stepUp.ask}
    />
  );
}

/** The page of a new record. */
export function NewPage({ list, title, children }: { list: string; title: string; children: ReactNode }): JSX.Element {
  const place = usePlace();
  return (
    <RecordPage list={list} onBack={place.close} title={title}>
      {children}
    </RecordPage>
  );
}

/** The parts of a record's page; the first, its details, is shown where none is chosen. */
export function Parts({ more }: { more: readonly Part[] }): JSX.Element {
  const place = usePlace();
  return <PartTabs current={place.part ?? 'facts'} onChange={place.show} parts={[{ id: 'facts', label: t('record.details') }, ...more]} />;
}

export interface RecordActionsProps {
  name: string;
  /** May disable and delete. */
  may: boolean;
  /** May enable; as `may` where it is not said. */
  mayEnable?: boolean;
  /** Undefined for records that are not switched on and off. */
  enabled?: boolean;
  turn?: (on: boolean) => Promise<unknown>;
  disableText?: string;
  remove?: () => Promise<unknown>;
  deleteText?: string;
  /** A question of its own before deleting, in place of `remove` after `deleteText`. */
  askDelete?: (close: () => void, deleted: () => void) => JSX.Element;
  /** Behind "more", before deleting. */
  more?: readonly MenuItem[];
}

/** Enabling or disabling, then deleting: their buttons, and the questions before what cannot be undone. */
export function RecordActions(props: RecordActionsProps): JSX.Element {
  const { name, may, enabled, turn, more = [] } = props;
  const place = usePlace();
  const leave = useLeave();
  const [asking, setAsking] = useState<'disable' | 'delete' | null>(null);
  const close = () => setAsking(null);
  const turned = async (on: boolean) => {
    await turn?.(on);
    toast(t(on ? 'record.enabledNow' : 'record.disabledNow', { name }));
  };
  const deleted = () => {
    toast(t('record.deleted', { name }));
    place.close();
  };
  const ask = () => leave(() => setAsking('delete'));
  const deletion: MenuItem = { id: 'delete', label: t('action.delete'), icon: 'trash', danger: true, onSelect: ask };
  const items = [...more, ...(may ? [deletion] : [])];
  return (
    <>
      {enabled === true && may && (
        <Button icon="pause" onClick={() => leave(() => setAsking('disable'))}>
          {t('record.disable')}
        </Button>
      )}
      {enabled === false && (props.mayEnable ?? may) && (
        <Button icon="play" onClick={() => leave(() => void turned(true).catch(toastError))}>
          {t('record.enable')}
        </Button>
      )}
      {enabled === undefined && may && !more.length ? (
        <Button look="danger" icon="trash" onClick={ask}>
          {t('action.delete')}
        </Button>
      ) : (
        items.length > 0 && <Menu label={t('action.more')} button={{ icon: 'more' }} items={items} />
      )}
      {asking === 'disable' && (
        <Ask title={t('record.disableTitle', { name })} accept={t('record.disable')} danger run={() => turned(false)} onClose={close}>
          <p>{props.disableText}</p>
        </Ask>
      )}
      {asking === 'delete' &&
        (props.askDelete?.(close, deleted) ?? (
          <Ask title={t('record.deleteTitle', { name })} accept={t('action.delete')} danger run={async () => (await props.remove?.(), deleted())} onClose={close}>
            <p>{props.deleteText}</p>
          </Ask>
        ))}
    </>
  );
}
