/** Dialogs for short questions. The browser's own modal dialog keeps the focus inside and Escape working. */
import { useId, useLayoutEffect, useRef, type FormEvent, type JSX, type ReactNode } from 'react';
import { createPortal } from 'react-dom';
import { t } from '../i18n';
import { Button, IconButton } from './basics';
import { ErrorLine } from './feedback';

export interface DialogProps {
  title: string;
  children: ReactNode;
  /** Words of the main button; without it the dialog only informs. */
  accept?: string;
  danger?: boolean;
  busy?: boolean;
  disabled?: boolean;
  error?: unknown;
  wide?: boolean;
  onAccept?: () => void;
  onClose: () => void;
}

export function Dialog(props: DialogProps): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  const title = useId();
  // In the layout phase, so that closing happens before the element goes: the browser then gives the focus back.
  useLayoutEffect(() => {
    const element = dialog.current;
    if (element && !element.open) {
      element.showModal();
    }
    return () => element?.close();
  }, []);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    props.onAccept?.();
  };
  return createPortal(
    <dialog
      ref={dialog}
      className={`hm hm-Dialog${props.wide ? ' hm-wide' : ''}`}
      aria-labelledby={title}
      onCancel={event => {
        event.preventDefault();
        props.onClose();
      }}
      onKeyDown={event => event.stopPropagation()}
      data-lm-suppress-shortcuts="true"
    >
      <form onSubmit={submit} noValidate>
        <header>
          <h2 id={title}>{props.title}</h2>
          <IconButton icon="close" label={t('action.close')} onClick={props.onClose} />
        </header>
        <div className="hm-body">{props.children}</div>
        <ErrorLine error={props.error} />
        <footer>
          <Button onClick={props.onClose}>{props.accept ? t('action.cancel') : t('action.close')}</Button>
          {props.accept && (
            <Button
              type="submit"
              look={props.danger ? 'danger' : 'primary'}
              busy={props.busy}
              disabled={props.disabled}
              icon={props.busy ? 'arc' : undefined}
            >
              {props.accept}
            </Button>
          )}
        </footer>
      </form>
    </dialog>,
    document.body
  );
}
