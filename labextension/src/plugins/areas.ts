/** Makes an area plugin: registers its panels and gives each its launcher card and palette entry. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { ILauncher } from '@jupyterlab/launcher';
import { t } from '../i18n';
import type { PanelDefinition } from '../panels/registry';
import { IHimalia } from '../tokens';
import { CommandIds } from './frame';

export function areaPlugin(area: string, description: string, panels: PanelDefinition[]): JupyterFrontEndPlugin<void> {
  return {
    id: `@himalia/lab:${area}`,
    description,
    autoStart: true,
    requires: [IHimalia],
    optional: [ICommandPalette, ILauncher],
    activate: (
      _app: JupyterFrontEnd,
      himalia: IHimalia,
      palette: ICommandPalette | null,
      launcher: ILauncher | null
    ) => {
      for (const definition of panels) {
        himalia.panels.add(definition);
        const args = { panel: definition.panel };
        if (definition.navigation || definition.launcher) {
          palette?.addItem({ command: CommandIds.open, args, category: t('app.name') });
        }
        if (definition.launcher) {
          launcher?.add({
            command: CommandIds.open,
            args,
            category: t('app.name'),
            rank: definition.launcher.rank
          });
        }
      }
    }
  };
}
