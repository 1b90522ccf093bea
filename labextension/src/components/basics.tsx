/** The smallest parts: buttons, chips, pills, meters, segments, cards. */
import { forwardRef, type ButtonHTMLAttributes, type JSX, type ReactNode } from 'react';
import { stateLook } from '../domain/state';
import { formatFull, formatMoment } from '../domain/format';
import { t, tValue } from '../i18n';
import { Icon, type IconName } from './icons';

export const classes = (...names: (string | false | null | undefined)[]): string => names.filter(Boolean).join(' ');

export interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  icon?: IconName;
  /** Filled: the one main action of a page. Quiet: without a frame. */
  look?: 'primary' | 'quiet' | 'danger';
  small?: boolean;
  /** Busy buttons stay where they are and cannot be pressed twice. */
  busy?: boolean;
}

export const Button = forwardRef<HTMLButtonElement, ButtonProps>(function Button(
  { icon, look, small, busy, className, children, disabled, type = 'button', ...rest },
  ref
) {
  return (
    <button
      ref={ref}
      type={type}
      className={classes('hm-btn', look && `hm-${look}`, small && 'hm-small', !children && 'hm-icon', className)}
      disabled={disabled || busy}
      aria-busy={busy || undefined}
      {...rest}
    >
      {icon && <Icon name={busy ? 'arc' : icon} className={busy ? 'hm-turn' : undefined} />}
      {children}
    </button>
  );
});

/** A button that is only an icon; its words are for hover and screen readers. */
export function IconButton({ label, ...rest }: Omit<ButtonProps, 'children'> & { label: string }): JSX.Element {
  return <Button look="quiet" title={label} aria-label={label} {...rest} />;
}

export function State({ state, words, title }: { state: string; words?: string; title?: string }): JSX.Element {
  const look = stateLook(state);
  return (
    <span className={classes('hm-st', `hm-${look.tone}`)} title={title}>
      <Icon name={look.icon} size={12} />
      {words !== '' && <span>{words ?? stateWords(state)}</span>}
    </span>
  );
}

export interface StatePillProps {
  state: string;
  /** Since when, why: shown on hover. */
  since?: string | null;
  why?: string | null;
}

export function StatePill({ state, since, why }: StatePillProps): JSX.Element {
  const look = stateLook(state);
  const words = stateWords(state);
  const hover = [since ? t('state.since', { state: words, time: formatMoment(since) }) : '', why ?? '']
    .filter(Boolean)
    .join('\n');
  return (
    <span className={classes('hm-pill', `hm-${look.tone}`)} title={hover || undefined}>
      <Icon name={look.icon} size={12} />
      {words}
    </span>
  );
}

/** The word for a phase or a state of any kind. */
export function stateWords(state: string): string {
  for (const family of ['phase', 'datasetState', 'itemState']) {
    const words = tValue(family, state);
    if (words !== state.replaceAll('_', ' ')) {
      return words;
    }
  }
  return state.replaceAll('_', ' ');
}

export function Meter(props: { share: number; label: string; high?: boolean; className?: string }): JSX.Element {
  const percent = Math.max(0, Math.min(100, props.share * 100));
  return (
    <span
      className={classes('hm-meter', props.high && 'hm-high', props.className)}
      role="progressbar"
      aria-label={props.label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round(percent)}
    >
      <i style={{ width: `${percent}%` }} />
    </span>
  );
}

export function Chip(props: { on?: boolean; onClick?: () => void; onRemove?: () => void; children: ReactNode }): JSX.Element {
  return (
    <span className={classes('hm-chip', props.on && 'hm-on')}>
      <button type="button" aria-pressed={!!props.on} onClick={props.onClick}>
        {props.children}
      </button>
      {props.onRemove && (
        <button type="button" className="hm-x" aria-label={t('filter.clear')} onClick={props.onRemove}>
          <Icon name="close" size={12} />
        </button>
      )}
    </span>
  );
}

export interface SegmentProps<T extends string> {
  label: string;
  value: T;
  options: readonly { value: T; label: ReactNode }[];
  onChange: (value: T) => void;
}

export function Segment<T extends string>({ label, value, options, onChange }: SegmentProps<T>): JSX.Element {
  return (
    <div className="hm-seg" role="group" aria-label={label}>
      {options.map(option => (
        <button
          key={option.value}
          type="button"
          aria-pressed={option.value === value}
          className={option.value === value ? 'hm-on' : undefined}
          onClick={() => onChange(option.value)}
        >
          {option.label}
        </button>
      ))}
    </div>
  );
}

export function Card(props: {
  title?: ReactNode;
  aside?: ReactNode;
  className?: string;
  flush?: boolean;
  children: ReactNode;
}): JSX.Element {
  return (
    <section className={classes('hm-card', props.className)}>
      {props.title && (
        <h2>
          {props.title}
          <span className="hm-grow" />
          {props.aside}
        </h2>
      )}
      {props.flush ? props.children : <div className="hm-in">{props.children}</div>}
    </section>
  );
}

/** A label's colour, the same on every picture and in every theme. */
export const LabelDot = ({ colour }: { colour: string }): JSX.Element => (
  <i className="hm-dot" style={{ background: colour }} />
);

export const Kbd = ({ children }: { children: ReactNode }): JSX.Element => <kbd className="hm-kbd">{children}</kbd>;

export function Time({ at }: { at: string | null | undefined }): JSX.Element {
  return at ? (
    <time dateTime={at} title={formatFull(at)}>
      {formatMoment(at)}
    </time>
  ) : (
    <span className="hm-muted">–</span>
  );
}
