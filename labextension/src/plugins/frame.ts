/** The frame: the registry of panels, the command that opens them, their restoration, and the side panel. */
import { ILayoutRestorer, type JupyterFrontEnd, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, MainAreaWidget, WidgetTracker } from '@jupyterlab/apputils';
import { ITranslator } from '@jupyterlab/translation';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import { labIcon } from '../components/icons';
import { setLanguage, t } from '../i18n';
import { PanelRegistry, panelKey, type PanelArguments } from '../panels/registry';
import { IHimalia } from '../tokens';
import { SideWidget, fetchSideWhenIdle } from './side';
import { PanelWidget } from './widget';

export const CommandIds = {
  open: 'himalia:open',
  side: 'himalia:side-panel',
  search: 'himalia:search'
} as const;

function addOpening(app: JupyterFrontEnd, panels: PanelRegistry, restorer: ILayoutRestorer | null): IHimalia['open'] {
  const tracker = new WidgetTracker<MainAreaWidget<PanelWidget>>({ namespace: 'himalia' });
  const named = (args: ReadonlyPartialJSONObject) =>
    typeof args['panel'] === 'string' ? panels.get(args['panel']) : undefined;
  const open = async (panel: string, args: PanelArguments = {}) => {
    await app.commands.execute(CommandIds.open, { panel, ...args });
  };
  app.commands.addCommand(CommandIds.open, {
    label: args => {
      const definition = named(args);
      return definition ? t(definition.title) : t('command.open');
    },
    icon: args => {
      const definition = named(args);
      return definition ? labIcon(definition.icon) : undefined;
    },
    describedBy: {
      args: {
        type: 'object',
        required: ['panel'],
        properties: { panel: { type: 'string' }, id: { type: 'integer' } },
        additionalProperties: true
      }
    },
    execute: raw => {
      const { panel, ...args } = raw as { panel: string } & PanelArguments;
      const definition = panels.get(panel);
      if (!definition) {
        throw new Error(`There is no panel ${panel}`);
      }
      const id = `himalia-${panelKey(panel, args)}`;
      let widget = tracker.find(candidate => candidate.id === id);
      widget?.content.look(args);
      if (!widget || widget.isDisposed) {
        const content = new PanelWidget(definition, args, { panels, open: (p, a) => void open(p, a) }, () => {
          if (widget) {
            void tracker.save(widget);
          }
        });
        widget = new MainAreaWidget({ content });
        widget.id = id;
        widget.toolbar.hide();
        void tracker.add(widget);
      }
      if (!widget.isAttached) {
        app.shell.add(widget, 'main', { type: 'Himalia' });
      }
      app.shell.activateById(widget.id);
      return widget;
    }
  });
  app.shell.currentChanged?.connect((_shell, { newValue }) => {
    const widget = tracker.find(candidate => candidate === newValue);
    panels.setCurrent(widget?.content.definition.panel ?? null);
  });
  if (restorer) {
    void restorer.restore(tracker, {
      command: CommandIds.open,
      args: widget => ({ panel: widget.content.definition.panel, ...widget.content.args }),
      name: widget => widget.id
    });
  }
  return open;
}

function addSide(app: JupyterFrontEnd, himalia: IHimalia, restorer: ILayoutRestorer | null): void {
  const side = new SideWidget({ panels: himalia.panels, open: (panel, args) => void himalia.open(panel, args) });
  app.shell.add(side, 'left', { rank: 250, type: 'Himalia' });
  restorer?.add(side, side.id);
  void app.restored.then(fetchSideWhenIdle);
  app.commands.addCommand(CommandIds.side, {
    label: t('command.openPanel'),
    icon: labIcon('mountain'),
    describedBy: { args: { type: 'object', properties: {} } },
    execute: () => app.shell.activateById(side.id)
  });
  app.commands.addCommand(CommandIds.search, {
    label: t('command.search'),
    icon: labIcon('search'),
    describedBy: { args: { type: 'object', properties: {} } },
    execute: () => {
      app.shell.activateById(side.id);
      side.search();
    }
  });
  app.commands.addKeyBinding({ command: CommandIds.search, keys: ['Accel K'], selector: 'body' });
}

export const framePlugin: JupyterFrontEndPlugin<IHimalia> = {
  id: '@himalia/lab:plugin',
  description: 'The Himalia side panel and the frame that opens panels as tabs.',
  autoStart: true,
  provides: IHimalia,
  optional: [ITranslator, ILayoutRestorer, ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    translator: ITranslator | null,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null
  ) => {
    setLanguage(translator?.languageCode);
    const panels = new PanelRegistry();
    const open = addOpening(app, panels, restorer);
    const himalia: IHimalia = { panels, open };
    addSide(app, himalia, restorer);
    for (const command of [CommandIds.side, CommandIds.search]) {
      palette?.addItem({ command, category: t('app.name') });
    }
    return himalia;
  }
};
