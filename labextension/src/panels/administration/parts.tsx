/** Parts that several sections share: the enabled state, the question before what cannot be undone, one-time secrets. */
import { useState, type JSX, type ReactNode } from 'react';
import { isApiError } from '../../api/errors';
import { Button } from '../../components/basics';
import { Dialog } from '../../components/dialog';
import { SkeletonRows, ErrorView } from '../../components/feedback';
import { Icon } from '../../components/icons';
import { t } from '../../i18n';
import { useStepUp } from '../../queries/standing';

export function Enabled({ on, words }: { on: boolean; words?: string }): JSX.Element {
  return (
    <span className={`hm-st ${on ? 'hm-run' : 'hm-rest'}`}>
      <Icon name={on ? 'check' : 'pause'} size={12} />
      <span>{words ?? (on ? t('record.enabled') : t('record.disabled'))}</span>
    </span>
  );
}

export interface AskProps {
  title: string;
  accept: string;
  danger?: boolean;
  disabled?: boolean;
  children: ReactNode;
  run: () => Promise<unknown>;
  onClose: () => void;
}

/** Asks before something that cannot be taken back; a refusal stays in the dialog, a missing proof is asked for. */
export function Ask(props: AskProps): JSX.Element {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const stepUp = useStepUp();
  const run = async () => {
    setBusy(true);
    setError(null);
    try {
      await props.run();
      props.onClose();
    } catch (refused) {
      setError(refused);
    } finally {
      setBusy(false);
    }
  };
  const asks = isApiError(error) && error.code === 'step_up_required';
  return (
    <Dialog
      title={props.title}
      accept={props.accept}
      danger={props.danger}
      busy={busy}
      disabled={props.disabled}
      error={asks ? null : error}
      onAccept={() => void run()}
      onClose={props.onClose}
    >
      {props.children}
      {asks && (
        <Button icon="key" busy={stepUp.asking} onClick={() => void stepUp.ask().then(run, () => undefined)}>
          {t('stepUp.again')}
        </Button>
      )}
    </Dialog>
  );
}

/** Something shown this once: a sign-in link, a secret. Closing it is a decision, so the button says what it means. */
export function Once(props: { title: string; text: string; secret: string; note?: ReactNode; onClose: () => void }): JSX.Element {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(props.secret);
    setCopied(true);
  };
  return (
    <Dialog title={props.title} wide accept={t('record.kept')} onAccept={props.onClose} onClose={props.onClose}>
      <p>{props.text}</p>
      <div className="hm-code">
        <pre tabIndex={0}>{props.secret}</pre>
        <Button small icon={copied ? 'check' : 'copy'} onClick={() => void copy()}>
          {copied ? t('action.copied') : t('action.copy')}
        </Button>
      </div>
      {props.note}
    </Dialog>
  );
}

/** A record that is being read: skeleton, then itself, or what went wrong. */
export function Loaded<T>(props: {
  answer: { data: T | undefined; error: Error | null; refetch: () => unknown };
  children: (data: T) => JSX.Element;
}): JSX.Element {
  const { answer } = props;
  if (answer.data !== undefined) {
    return props.children(answer.data);
  }
  return answer.error ? <ErrorView error={answer.error} onRetry={() => void answer.refetch()} /> : <SkeletonRows />;
}

export const GIB = 1024 ** 3;
export const MIB = 1024 ** 2;
