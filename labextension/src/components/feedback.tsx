/** What a page shows while it loads, when there is nothing, when something failed; and the short notes (toasts). */
import { Notification } from '@jupyterlab/apputils';
import type { JSX, ReactNode } from 'react';
import { isApiError } from '../api/errors';
import { t } from '../i18n';
import { Button } from './basics';
import { Icon, type IconName } from './icons';

export function SkeletonRows({ rows = 8 }: { rows?: number }): JSX.Element {
  return (
    <div className="hm-skeleton" role="status" aria-label={t('list.loading')}>
      {Array.from({ length: rows }, (_, row) => (
        <i key={row} style={{ width: `${92 - ((row * 37) % 40)}%` }} />
      ))}
    </div>
  );
}

export const SkeletonPage = (): JSX.Element => (
  <div className="hm-page">
    <div className="hm-head">
      <div className="hm-skeleton hm-grow">
        <i style={{ width: 160 }} />
      </div>
    </div>
    <SkeletonRows />
  </div>
);

export interface EmptyProps {
  icon: IconName;
  title: string;
  children?: ReactNode;
  action?: ReactNode;
}

/** An empty place explains the thing in a sentence and offers the first action. */
export function Empty({ icon, title, children, action }: EmptyProps): JSX.Element {
  return (
    <div className="hm-state">
      <span className="hm-emblem">
        <Icon name={icon} size={20} />
      </span>
      <h2>{title}</h2>
      {children && <p>{children}</p>}
      {action}
    </div>
  );
}

export interface Explained {
  title: string;
  hint: string | null;
  request: string | null;
}

/** What happened and what to try, in words, from any failure. */
export function explain(error: unknown): Explained {
  if (isApiError(error)) {
    const request = error.requestId;
    if (error.unreachable) {
      return { title: t('error.offline'), hint: error.hint ?? t('error.offlineHint'), request };
    }
    if (error.status === 404 && !error.message) {
      return { title: t('error.notFound'), hint: error.hint ?? t('error.notFoundHint'), request };
    }
    if (error.status === 412) {
      return { title: t('error.stale'), hint: t('error.staleHint'), request };
    }
    return { title: error.message || t('error.generic'), hint: error.hint, request };
  }
  return { title: t('error.generic'), hint: error instanceof Error ? error.message : String(error), request: null };
}

export function ErrorView({ error, onRetry }: { error: unknown; onRetry?: () => void }): JSX.Element {
  const { title, hint, request } = explain(error);
  return (
    <div className="hm-state" role="alert">
      <Icon name="warning" size={20} className="hm-fail" />
      <h2>{title}</h2>
      {hint && <p>{hint}</p>}
      {onRetry && (
        <Button icon="refresh" onClick={onRetry}>
          {t('action.retry')}
        </Button>
      )}
      {request && <p className="hm-muted hm-sm">{t('error.request', { id: request })}</p>}
    </div>
  );
}

/** The same in one line, inside a form or a card. */
export function ErrorLine({ error }: { error: unknown }): JSX.Element | null {
  if (!error) {
    return null;
  }
  const { title, hint, request } = explain(error);
  return (
    <div className="hm-errorline" role="alert">
      <Icon name="warning" size={14} />
      <span>
        <b>{title}</b>
        {hint && <> {hint}</>}
        {request && <span className="hm-muted hm-sm"> {t('error.request', { id: request })}</span>}
      </span>
    </div>
  );
}

const UNDO_MS = 10_000;
const NOTE_MS = 4_000;

/** A note at JupyterLab's own place; with `undo` it offers to take the action back. */
export function toast(message: string, undo?: () => void): void {
  Notification.emit(message, 'default', {
    autoClose: undo ? UNDO_MS : NOTE_MS,
    actions: undo ? [{ label: t('action.undo'), displayType: 'accent', callback: () => undo() }] : []
  });
}

export function toastError(error: unknown): void {
  const { title, hint, request } = explain(error);
  const tail = request ? ` (${t('error.request', { id: request })})` : '';
  Notification.error([title, hint].filter(Boolean).join('. ') + tail, { autoClose: 12_000 });
}
