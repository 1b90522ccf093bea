/** Choosing members by typing, and the list of who is in something. */
import { useQuery } from '@tanstack/react-query';
import { useId, useState, type JSX, type KeyboardEvent } from 'react';
import type { Page } from '../../api/types';
import { Button, IconButton } from '../../components/basics';
import { Empty, SkeletonRows, ErrorView, toast } from '../../components/feedback';
import { SearchBox } from '../../components/fields';
import { FieldNote } from '../../components/record/fields';
import { Icon } from '../../components/icons';
import { useFrame } from '../../frame';
import { t } from '../../i18n';
import { useSettled } from '../../queries/account';
import { useRecords } from '../../queries/records';
import { MEMBERS, useScoped, type Member } from './collections';
import { Ask, Enabled } from './parts';
import { useScope } from './scope';

export interface Chosen {
  id: number;
  name: string;
}

export const memberName = (member: Pick<Member, 'name' | 'display_name'>): string => member.display_name || member.name;

/** Members found by typing, chosen by Enter or click, shown as removable chips. */
export function MemberPicker(props: {
  label: string;
  hint?: string;
  value: readonly Chosen[];
  onChange: (value: Chosen[]) => void;
  error?: string;
  /** At most one. */
  single?: boolean;
  except?: readonly number[];
  autoFocus?: boolean;
}): JSX.Element {
  const { client } = useFrame();
  const scope = useScope();
  const id = useId();
  const [text, setText] = useState('');
  const [at, setAt] = useState(0);
  const settled = useSettled(text.trim());
  const found = useQuery({
    queryKey: ['member', 'list', undefined, { q: settled, ...scope.query }, 'pick'],
    queryFn: ({ signal }) => client.get<Page<Member>>('/members', { q: settled, limit: 20, sort: 'name', ...scope.query }, signal),
    enabled: settled.length > 0
  });
  const taken = new Set([...props.value.map(one => one.id), ...(props.except ?? [])]);
  const hits = settled ? (found.data?.items ?? []).filter(one => !taken.has(one.id)) : [];
  const choose = (member: Member | undefined) => {
    if (member) {
      const one = { id: member.id, name: memberName(member) };
      props.onChange(props.single ? [one] : [...props.value, one]);
      setText('');
      setAt(0);
    }
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && hits.length) {
      setAt((at + step + hits.length) % hits.length);
    } else if (event.key === 'Enter' && !event.ctrlKey && (hits.length || text)) {
      choose(hits[at]);
    } else if (event.key === 'Escape' && text) {
      setText('');
    } else if (event.key === 'Backspace' && !text && props.value.length) {
      props.onChange(props.value.slice(0, -1));
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div className="hm-field hm-picker">
      <label htmlFor={id}>{props.label}</label>
      <div className="hm-chips">
        {props.value.map(one => (
          <span className="hm-chip hm-on" key={one.id}>
            <span className="hm-chiptext">{one.name}</span>
            <button
              type="button"
              className="hm-x"
              aria-label={t('people.remove', { name: one.name })}
              onClick={() => props.onChange(props.value.filter(other => other.id !== one.id))}
            >
              <Icon name="close" size={12} />
            </button>
          </span>
        ))}
        {!(props.single && props.value.length > 0) && (
          <input
            id={id}
            className="hm-input"
            role="combobox"
            aria-expanded={hits.length > 0}
            aria-controls={`${id}-hits`}
            aria-activedescendant={hits.length ? `${id}-${at}` : undefined}
            aria-invalid={!!props.error || undefined}
            autoComplete="off"
            autoFocus={props.autoFocus}
            placeholder={t('people.type')}
            value={text}
            onChange={event => (setText(event.target.value), setAt(0))}
            onKeyDown={onKeyDown}
          />
        )}
      </div>
      {settled && (hits.length > 0 || found.data) && (
        <ul id={`${id}-hits`} role="listbox" aria-label={props.label} className="hm-hits">
          {hits.map((one, index) => (
            <li key={one.id} id={`${id}-${index}`} role="option" aria-selected={index === at} className={index === at ? 'hm-on' : undefined} onPointerEnter={() => setAt(index)} onClick={() => choose(one)}>
              <Icon name="person" />
              <span className="hm-grow hm-ell">{memberName(one)}</span>
              <span className="hm-muted hm-sm">{[one.name, one.department?.name].filter(Boolean).join(' · ')}</span>
            </li>
          ))}
          {!hits.length && (
            <li className="hm-muted" role="option" aria-selected="false">
              {t('people.nobody', { query: settled })}
            </li>
          )}
        </ul>
      )}
      {props.error ? <FieldNote error={props.error} /> : props.hint && <p className="hm-muted">{props.hint}</p>}
    </div>
  );
}

/** Who is in a department or a group, with adding and taking out. */
export function MembersInside(props: {
  query: Record<string, number>;
  manage: boolean;
  name: string;
  change: (add: number[], remove: number[]) => Promise<unknown>;
  /** Said before somebody is added. */
  addText: string;
}): JSX.Element {
  const [search, setSearch] = useState('');
  const settled = useSettled(search.trim());
  const list = useRecords(useScoped(MEMBERS), { ...props.query, sort: 'name', ...(settled ? { q: settled } : {}) });
  const [adding, setAdding] = useState(false);
  const [chosen, setChosen] = useState<Chosen[]>([]);
  const [removing, setRemoving] = useState<Member | null>(null);
  const add = props.manage && (
    <Button icon="plus" onClick={() => (setChosen([]), setAdding(true))}>
      {t('people.add')}
    </Button>
  );
  return (
    <div className="hm-inside">
      <div className="hm-row">
        <SearchBox label={t('members.search')} value={search} onChange={setSearch} />
        <span className="hm-grow" />
        {add}
      </div>
      {list.isLoading ? (
        <SkeletonRows rows={5} />
      ) : list.error ? (
        <ErrorView error={list.error} onRetry={list.refetch} />
      ) : list.items.length === 0 ? (
        <Empty icon="people" title={settled ? t('list.nothing') : t('people.none')} />
      ) : (
        <ul className="hm-filelist">
          {list.items.map(one => (
            <li key={one.id}>
              <Icon name="person" />
              <b className="hm-ell">{memberName(one)}</b>
              <span className="hm-muted hm-grow hm-ell">{one.name}</span>
              <Enabled on={one.enabled} />
              {props.manage && <IconButton icon="close" small label={t('people.takeOut', { name: memberName(one) })} onClick={() => setRemoving(one)} />}
            </li>
          ))}
        </ul>
      )}
      {list.hasMore && (
        <Button className="hm-start" busy={list.loadingMore} onClick={list.loadMore}>
          {t('people.more')}
        </Button>
      )}
      {adding && (
        <Ask
          title={t('people.addTo', { name: props.name })}
          accept={t('people.add')}
          disabled={!chosen.length}
          run={async () => {
            await props.change(chosen.map(one => one.id), []);
            toast(t('people.added', { count: chosen.length }));
          }}
          onClose={() => setAdding(false)}
        >
          <p className="hm-muted">{props.addText}</p>
          <MemberPicker label={t('members.title')} value={chosen} onChange={setChosen} autoFocus />
        </Ask>
      )}
      {removing && (
        <Ask
          title={t('people.takeOut', { name: memberName(removing) })}
          accept={t('people.takeOutAction')}
          run={() => props.change([], [removing.id])}
          onClose={() => setRemoving(null)}
        >
          <p>{t('people.takeOutText', { name: memberName(removing), from: props.name })}</p>
        </Ask>
      )}
    </div>
  );
}
