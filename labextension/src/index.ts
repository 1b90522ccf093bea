/** The plugins of the extension. Each area is one plugin, and nothing heavy is imported here. */
import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { administrationPlugin } from './plugins/administration';
import { dataPlugin } from './plugins/data';
import { framePlugin } from './plugins/frame';
import { statusPlugin } from './plugins/status';
import { workPlugin } from './plugins/work';

export { IHimalia } from './tokens';

const plugins: JupyterFrontEndPlugin<unknown>[] = [framePlugin, dataPlugin, workPlugin, administrationPlugin, statusPlugin];

export default plugins;
