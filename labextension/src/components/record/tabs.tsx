/** The parts of a record's page, as tabs: arrow keys move, leaving unsaved changes asks first. */
import type { JSX, KeyboardEvent } from 'react';
import { classes } from '../basics';
import { useLeave } from './guard';

export interface Part {
  id: string;
  label: string;
  count?: number | string;
}

export function PartTabs(props: { parts: readonly Part[]; current: string; onChange: (part: string) => void }): JSX.Element | null {
  const { parts, current, onChange } = props;
  const leave = useLeave();
  if (parts.length < 2) {
    return null;
  }
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const at = parts.findIndex(part => part.id === current);
    const next = step && parts[(at + step + parts.length) % parts.length];
    if (next) {
      const list = event.currentTarget;
      leave(() => {
        onChange(next.id);
        requestAnimationFrame(() => list.querySelector<HTMLElement>('[aria-selected=true]')?.focus());
      });
      event.preventDefault();
    }
  };
  return (
    <div className="hm-subtabs" role="tablist" onKeyDown={onKeyDown}>
      {parts.map(part => (
        <button
          key={part.id}
          type="button"
          role="tab"
          aria-selected={part.id === current}
          tabIndex={part.id === current ? 0 : -1}
          className={classes(part.id === current && 'hm-on')}
          onClick={() => part.id !== current && leave(() => onChange(part.id))}
        >
          {part.label}
          {part.count !== undefined && <span className="hm-muted"> {part.count}</span>}
        </button>
      ))}
    </div>
  );
}
