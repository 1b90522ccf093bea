/** "As code": the action of a page as magic, Python, command line and HTTP, ready to paste. */
import { useState, type JSX } from 'react';
import { t } from '../i18n';
import { Button, Segment } from './basics';
import { Dialog } from './dialog';

export interface CodeForms {
  magic?: string;
  python: string;
  cli: string;
  http: string;
}

export function AsCode({ forms, small }: { forms: CodeForms; small?: boolean }): JSX.Element {
  const [open, setOpen] = useState(false);
  return (
    <>
      <Button icon="code" small={small} onClick={() => setOpen(true)}>
        {t('ascode.open')}
      </Button>
      {open && <CodeDialog forms={forms} onClose={() => setOpen(false)} />}
    </>
  );
}

function CodeDialog({ forms, onClose }: { forms: CodeForms; onClose: () => void }): JSX.Element {
  const kinds = (['magic', 'python', 'cli', 'http'] as const).filter(kind => forms[kind]);
  const [kind, setKind] = useState(kinds[0] ?? 'python');
  const text = forms[kind] ?? '';
  return (
    <Dialog title={t('ascode.title')} wide onClose={onClose}>
      <p className="hm-muted">{t('ascode.explain')}</p>
      <Segment
        label={t('ascode.title')}
        value={kind}
        onChange={setKind}
        options={kinds.map(value => ({ value, label: t(`ascode.${value}`) }))}
      />
      <CodeBlock text={text} />
    </Dialog>
  );
}

/** Code with a copy button. */
export function CodeBlock({ text }: { text: string }): JSX.Element {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
  };
  return (
    <div className="hm-code">
      <pre tabIndex={0}>{text}</pre>
      <Button small icon={copied ? 'check' : 'copy'} onClick={() => void copy()} onBlur={() => setCopied(false)}>
        {copied ? t('action.copied') : t('action.copy')}
      </Button>
    </div>
  );
}
