/** The detail page: name, state, actions, key facts, and tabs kept in the tab's view state. */
import { useId, type JSX, type KeyboardEvent, type ReactNode } from 'react';
import { useTab } from '../frame';
import { classes } from './basics';

export interface Fact {
  label: string;
  value: ReactNode;
}

export interface DetailTab {
  id: string;
  label: string;
  count?: number | string;
  render: () => ReactNode;
}

export interface DetailPageProps {
  title: ReactNode;
  /** After the title: state pill, owner. */
  aside?: ReactNode;
  /** By frequency, danger last. */
  actions?: ReactNode;
  facts?: readonly Fact[];
  /** Below the facts: progress, a message. */
  above?: ReactNode;
  tabs: readonly DetailTab[];
}

export function DetailPage(props: DetailPageProps): JSX.Element {
  const tab = useTab();
  const id = useId();
  const current = props.tabs.find(one => one.id === tab.args['view.tab']) ?? props.tabs[0];
  const go = (to: DetailTab | undefined) => to && tab.setView({ 'view.tab': to.id });
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step && current) {
      const at = props.tabs.indexOf(current);
      go(props.tabs[(at + step + props.tabs.length) % props.tabs.length]);
      const list = event.currentTarget;
      requestAnimationFrame(() => list.querySelector<HTMLElement>('[aria-selected=true]')?.focus());
      event.preventDefault();
    }
  };
  return (
    <div className="hm-page">
      <header className="hm-head">
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
      {props.above}
      <div className="hm-subtabs" role="tablist" onKeyDown={onKeyDown}>
        {props.tabs.map(one => (
          <button
            key={one.id}
            type="button"
            role="tab"
            id={`${id}-${one.id}`}
            aria-controls={`${id}-panel`}
            aria-selected={one === current}
            tabIndex={one === current ? 0 : -1}
            className={classes(one === current && 'hm-on')}
            onClick={() => go(one)}
          >
            {one.label}
            {one.count !== undefined && <span className="hm-muted"> {one.count}</span>}
          </button>
        ))}
      </div>
      <div className="hm-tabpanel" role="tabpanel" id={`${id}-panel`} aria-labelledby={`${id}-${current?.id}`}>
        {current?.render()}
      </div>
    </div>
  );
}
