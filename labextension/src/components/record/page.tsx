/** The page of one record inside its section: the way back, name, state, actions, facts, and the body. */
import type { JSX, ReactNode } from 'react';
import { t } from '../../i18n';
import type { Fact } from '../detailpage';
import { Icon } from '../icons';
import { useLeave } from './guard';

export interface RecordPageProps {
  /** The list it belongs to, and how to get back there. */
  list: string;
  onBack: () => void;
  title: ReactNode;
  aside?: ReactNode;
  actions?: ReactNode;
  facts?: readonly Fact[];
  tabs?: ReactNode;
  children: ReactNode;
}

export function RecordPage(props: RecordPageProps): JSX.Element {
  const leave = useLeave();
  return (
    <div className="hm-page">
      <nav className="hm-crumbs" aria-label={t('record.path')}>
        <button type="button" className="hm-link hm-row hm-tight" onClick={() => leave(props.onBack)}>
          <Icon name="left" size={12} />
          {props.list}
        </button>
      </nav>
      <header className="hm-head hm-undercrumbs">
        <h1>{props.title}</h1>
        {props.aside}
        <span className="hm-grow" />
        {props.actions}
      </header>
      {props.facts && (
        <dl className="hm-facts">
          {props.facts.map(fact => (
            <div key={fact.label}>
              <dt>{fact.label}</dt>
              <dd>{fact.value}</dd>
            </div>
          ))}
        </dl>
      )}
      {props.tabs}
      <div className="hm-tabpanel">{props.children}</div>
    </div>
  );
}
