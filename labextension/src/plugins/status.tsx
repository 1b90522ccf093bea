/** The status bar item: this server's CPU, memory and price, the balance, and whether the platform is reached. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ReactWidget } from '@jupyterlab/ui-components';
import { Suspense, lazy, type JSX } from 'react';
import { IHimalia } from '../tokens';
import { CommandIds } from './frame';

class StatusWidget extends ReactWidget {
  private readonly item: ReturnType<typeof lazy<() => JSX.Element>>;

  constructor(himalia: IHimalia, show: () => void) {
    super();
    this.addClass('hm');
    this.addClass('hm-StatusWidget');
    this.item = lazy(async () => {
      const [host, frame, status] = await Promise.all([
        import('../panels/host'),
        import('../frame'),
        import('../panels/status')
      ]);
      const shared = frame.sharedFrame(himalia.panels, (panel, args) => void himalia.open(panel, args));
      return {
        default: () => (
          <host.Surroundings frame={shared}>
            <status.StatusItem onOpen={show} />
          </host.Surroundings>
        )
      };
    });
  }

  protected override render(): JSX.Element {
    const Item = this.item;
    return (
      <Suspense fallback={null}>
        <Item />
      </Suspense>
    );
  }
}

export const statusPlugin: JupyterFrontEndPlugin<void> = {
  id: '@himalia/lab:status',
  description: 'Use, cost and connection of this server in the status bar.',
  autoStart: true,
  requires: [IHimalia],
  optional: [IStatusBar],
  activate: (app: JupyterFrontEnd, himalia: IHimalia, statusBar: IStatusBar | null) => {
    if (!statusBar) {
      return;
    }
    // After the layout is restored: the item must not compete with the person's own tabs for the first moment.
    void app.restored.then(() => {
      statusBar.registerStatusItem('@himalia/lab:status', {
        align: 'left',
        rank: 90,
        item: new StatusWidget(himalia, () => void app.commands.execute(CommandIds.side))
      });
    });
  }
};
