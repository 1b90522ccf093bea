/** Lineage as a small graph from left to right: columns of nodes, lines from each column to the next. */
import { useLayoutEffect, useRef, useState, type JSX } from 'react';

export interface LineageNode {
  id: string;
  title: string;
  note: string;
  current?: boolean;
  onOpen?: () => void;
}

export interface LineageProps {
  label: string;
  /** From left to right. */
  columns: readonly (readonly LineageNode[])[];
}

export function Lineage({ label, columns }: LineageProps): JSX.Element {
  const root = useRef<HTMLDivElement>(null);
  const [lines, setLines] = useState<string[]>([]);
  const shape = columns.map(column => column.map(node => node.id).join()).join('|');
  useLayoutEffect(() => {
    const element = root.current;
    if (!element || typeof ResizeObserver === 'undefined') {
      return;
    }
    const draw = () => setLines(connect(element));
    const observer = new ResizeObserver(draw);
    observer.observe(element);
    draw();
    return () => observer.disconnect();
  }, [shape]);
  return (
    <div className="hm-lineage" ref={root} role="group" aria-label={label}>
      <svg aria-hidden="true">
        {lines.map(line => (
          <path key={line} d={line} />
        ))}
      </svg>
      {columns.map((column, at) => (
        <div key={at} data-column={at}>
          {column.map(node => (
            <button
              key={node.id}
              type="button"
              disabled={!node.onOpen}
              aria-current={node.current || undefined}
              className={node.current ? 'hm-on' : undefined}
              onClick={node.onOpen}
            >
              <b className="hm-ell">{node.title}</b>
              <span className="hm-muted hm-ell">{node.note}</span>
            </button>
          ))}
        </div>
      ))}
    </div>
  );
}

function connect(root: HTMLElement): string[] {
  const frame = root.getBoundingClientRect();
  const columns = [...root.querySelectorAll<HTMLElement>('[data-column]')].map(column => [...column.children]);
  return columns.slice(1).flatMap((column, at) =>
    column.flatMap(to =>
      (columns[at] ?? []).map(from => {
        const a = from.getBoundingClientRect();
        const b = to.getBoundingClientRect();
        const [x1, y1] = [a.right - frame.left, a.top + a.height / 2 - frame.top];
        const [x2, y2] = [b.left - frame.left, b.top + b.height / 2 - frame.top];
        const middle = (x1 + x2) / 2;
        return `M${x1} ${y1}C${middle} ${y1} ${middle} ${y2} ${x2} ${y2}`;
      })
    )
  );
}
