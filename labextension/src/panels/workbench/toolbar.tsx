/** Tools at the top left, place in the middle, save state, undo, history and finish at the right; keys at the bottom. */
import type { JSX } from 'react';
import type { Dataset } from '../../api/types';
import type { Light } from '../../canvas/render';
import { NORMAL_LIGHT } from '../../canvas/render';
import { Button, IconButton, Kbd } from '../../components/basics';
import { Icon } from '../../components/icons';
import { formatNumber } from '../../domain/format';
import { useState } from 'react';
import { t } from '../../i18n';
import type { OutboxState } from '../../labelling/outbox';
import type { WorkbenchAction } from './actions';
import type { Bench } from './usebench';

export const performer =
  (actions: readonly WorkbenchAction[]) =>
  (id: string): void =>
    actions.find(action => action.id === id)?.perform();

interface ToolbarProps {
  bench: Bench;
  actions: readonly WorkbenchAction[];
  light: Light;
  onLight: (light: Light) => void;
  total: number;
}

export function Toolbar({ bench, actions, light, onLight, total }: ToolbarProps): JSX.Element {
  const perform = performer(actions);
  const tool = (icon: Parameters<typeof IconButton>[0]['icon'], label: string, id: string, disabled = false) => (
    <IconButton icon={icon} label={label} disabled={disabled} onClick={() => perform(id)} />
  );
  const { done, undone } = bench.labelling.document;
  return (
    <div className="hm-tools" role="toolbar" aria-label={t('workbench.title')}>
      {tool('zoom', `${t('workbench.zoomIn')} (+)`, 'zoomIn')}
      {tool('zoomOut', `${t('workbench.zoomOut')} (-)`, 'zoomOut')}
      {tool('fit', `${t('workbench.fit')} (Shift F)`, 'fit')}
      {tool('rotate', `${t('workbench.rotate')} (Shift R)`, 'turn')}
      <LightButton light={light} onLight={onLight} />
      <span className="hm-sep" />
      <Button icon="copy" look="quiet" disabled={!bench.previous?.labels.length} onClick={() => perform('copy')}>
        {t('workbench.copyPrevious')}
      </Button>
      <span className="hm-grow" />
      {tool('left', t('workbench.previous'), 'previous', bench.at <= 0)}
      <span className="hm-place">
        {t('workbench.of', { at: formatNumber(bench.at + 1), total: formatNumber(total) })}
      </span>
      {tool('right', t('workbench.next'), 'next', bench.at >= bench.items.length - 1)}
      <span className="hm-grow" />
      <SaveState outbox={bench.labelling.outbox} />
      <span className="hm-sep" />
      {tool('undo', `${t('workbench.undo')} (Ctrl Z)`, 'undo', !done.length)}
      {tool('redo', `${t('workbench.redo')} (Ctrl Shift Z)`, 'redo', !undone.length)}
      <Button icon="clock" look="quiet" disabled={!bench.current} onClick={() => perform('history')}>
        {t('workbench.history')}
      </Button>
      <Button look="primary" disabled={!bench.current} onClick={() => perform('finish')}>
        {t('workbench.finish')} <kbd className="hm-kbd hm-inverse">Enter</kbd>
      </Button>
    </div>
  );
}

export function SaveState({ outbox }: { outbox: OutboxState }): JSX.Element {
  const { save, waiting, error } = outbox;
  const count = { count: waiting };
  if (save === 'saved') {
    return (
      <span className="hm-st hm-run" role="status">
        <Icon name="check" size={12} /> {t('workbench.saved')}
      </span>
    );
  }
  const look = {
    saving: { tone: 'hm-busy', icon: 'arc', words: t('workbench.saving', count) },
    offline: { tone: 'hm-wait', icon: 'half', words: t('workbench.offline', count) },
    refused: { tone: 'hm-fail', icon: 'warning', words: t('workbench.refused', count) }
  } as const;
  const { tone, icon, words } = look[save];
  return (
    <span className={`hm-st ${tone}`} role="status" title={error?.message}>
      <Icon name={icon} size={12} /> {words}
    </span>
  );
}

function LightButton({ light, onLight }: { light: Light; onLight: (light: Light) => void }): JSX.Element {
  const [open, setOpen] = useState(false);
  const slider = (name: keyof Light, label: string) => (
    <label>
      <span>{label}</span>
      <input
        type="range"
        min={0.2}
        max={3}
        step={0.05}
        value={light[name]}
        onChange={event => onLight({ ...light, [name]: event.target.valueAsNumber })}
      />
    </label>
  );
  const changed = light.brightness !== 1 || light.contrast !== 1;
  return (
    <span
      className="hm-menu"
      onBlur={event => !event.currentTarget.contains(event.relatedTarget) && setOpen(false)}
      onKeyDown={event => event.key === 'Escape' && setOpen(false)}
    >
      <IconButton
        icon="sun"
        label={t('workbench.light')}
        aria-expanded={open}
        className={changed ? 'hm-toolon' : undefined}
        onClick={() => setOpen(!open)}
      />
      {open && (
        <div className="hm-menulist hm-start hm-lightbox">
          {slider('brightness', t('workbench.brightness'))}
          {slider('contrast', t('workbench.contrast'))}
          <Button small disabled={!changed} onClick={() => onLight(NORMAL_LIGHT)}>
            {t('workbench.resetLight')}
          </Button>
        </div>
      )}
    </span>
  );
}

export function Hints(props: { dataset: Dataset; openCount: number; onKeys: () => void }): JSX.Element {
  const total = props.dataset.items;
  return (
    <footer className="hm-hint">
      <span>{t('workbench.progress', { done: Math.max(0, total - props.openCount), total })}</span>
      <span className="hm-grow" />
      <span>
        <Kbd>1–9</Kbd> {t('workbench.key.label')}
      </span>
      <span>
        <Kbd>← →</Kbd> {t('workbench.key.item')}
      </span>
      <span>
        <Kbd>Ctrl Z</Kbd> {t('workbench.key.undo')}
      </span>
      <span>
        <Kbd>Enter</Kbd> {t('workbench.key.finish')}
      </span>
      <button type="button" onClick={props.onKeys}>
        <Kbd>?</Kbd> {t('workbench.key.keys')}
      </button>
    </footer>
  );
}
