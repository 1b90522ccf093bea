/** The actions of the workbench as records: what they do, their keys, their words. Keyboard, buttons and help read them. */
import type { Key } from '../../i18n';

export interface WorkbenchAction {
  id: string;
  words: Key;
  /** As `KeyboardEvent.key`, with `Ctrl+` and `Shift+` in front; shown in the help in this form. */
  keys: readonly string[];
  perform: () => void;
}

/** How a keyboard event is written in a key list. Letters are taken in lower case; Ctrl is Cmd on a Mac. */
export function pressed(event: Pick<KeyboardEvent, 'key' | 'ctrlKey' | 'metaKey' | 'shiftKey' | 'altKey'>): string {
  const named = event.key.length > 1;
  const key = named ? event.key : event.key.toLowerCase();
  const letter = /^\p{L}$/u.test(key);
  return [
    event.ctrlKey || event.metaKey ? 'Ctrl+' : '',
    event.altKey ? 'Alt+' : '',
    event.shiftKey && (named || letter) ? 'Shift+' : '',
    key
  ].join('');
}

const SIGNS: Record<string, string> = { ArrowLeft: '←', ArrowRight: '→', ArrowUp: '↑', ArrowDown: '↓' };

/** A key as it stands on keyboards. */
export const keyWords = (key: string): string =>
  key
    .split(/\+(?=.)/)
    .map(part => SIGNS[part] ?? (part.length === 1 ? part.toUpperCase() : part))
    .join(' ');

export function findAction(actions: readonly WorkbenchAction[], key: string): WorkbenchAction | undefined {
  return actions.find(action => action.keys.includes(key));
}
