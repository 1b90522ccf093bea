/** What a new installation and a new organisation still lack, and where to do it (CON-6). */
import { useQuery } from '@tanstack/react-query';
import type { JSX } from 'react';
import { Button, Card, Meter } from '../../components/basics';
import { Icon } from '../../components/icons';
import { formatList } from '../../domain/format';
import { useFrame } from '../../frame';
import { language, t } from '../../i18n';
import { RechargeButton } from '../money/recharge';
import { Loaded } from './parts';
import type { SectionId } from './permissions';
import { OrganisationPicker, useScope } from './scope';

interface Item {
  key: string;
  done: boolean;
  title: string;
  detail: string;
  have: number;
  missing: string[];
  roles: string[];
  may: boolean;
}

interface Checklist {
  scope: 'installation' | 'organisation';
  code: string | null;
  name: string;
  complete: boolean;
  items: Item[];
}

/** Where each is done. */
const WHERE: Record<string, SectionId> = {
  organisation: 'organisations',
  specs: 'specs',
  prices: 'prices',
  administrator: 'members',
  quota: 'quotas',
  departments: 'departments',
  members: 'members',
  member_quota: 'quotas'
};

export default function ChecklistSection(): JSX.Element {
  const { client } = useFrame();
  const { organisation } = useScope();
  const query = { tenant: organisation };
  const answer = useQuery({
    queryKey: ['checklist', 'list', undefined, query, language()],
    queryFn: ({ signal }) => client.get<{ installation: Checklist | null; organisation: Checklist }>('/checklist', query, signal),
    staleTime: 0
  });
  return (
    <div className="hm-page">
      <header className="hm-head">
        <h1>{t('checklist.title')}</h1>
        <span className="hm-grow" />
        <OrganisationPicker />
      </header>
      <div className="hm-board">
        <Loaded answer={answer}>
          {lists => (
            <>
              {lists.installation && <List list={lists.installation} />}
              <List list={lists.organisation} />
            </>
          )}
        </Loaded>
      </div>
    </div>
  );
}

function List({ list }: { list: Checklist }): JSX.Element {
  const done = list.items.filter(item => item.done).length;
  const title = list.scope === 'installation' ? t('checklist.installation') : list.name;
  return (
    <Card
      title={title}
      className="hm-w6"
      flush
      aside={
        <span className={list.complete ? 'hm-run hm-row hm-tight' : 'hm-muted hm-row'}>
          {list.complete && <Icon name="check" size={14} />}
          {t('checklist.done', { done, total: list.items.length })}
        </span>
      }
    >
      <div className="hm-inset">
        <Meter share={list.items.length ? done / list.items.length : 0} label={title} />
      </div>
      <ul className="hm-choices">
        {list.items.map(item => (
          <li key={item.key} className={item.done ? 'hm-done' : undefined}>
            <Icon name={item.done ? 'check' : 'ring'} />
            <span className="hm-grow">
              <b>{item.title}</b>
              <span className="hm-muted">{item.detail}</span>
              {!item.done && !item.may && <span className="hm-muted hm-sm">{t('checklist.who', { roles: formatList(item.roles) })}</span>}
            </span>
            {item.may && !item.done && <Go item={item} />}
          </li>
        ))}
      </ul>
    </Card>
  );
}

function Go({ item }: { item: Item }): JSX.Element | null {
  const { open } = useFrame();
  if (item.key === 'recharge') {
    return <RechargeButton />;
  }
  const section = WHERE[item.key];
  return section ? (
    <Button onClick={() => open('administration', { 'view.section': section, [`view.${section}.record`]: null })}>{t('checklist.go')}</Button>
  ) : null;
}
