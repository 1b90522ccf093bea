/** The extension point: other plugins, ours and third parties', add panels through this token. */
import { Token } from '@lumino/coreutils';
import type { PanelArguments, PanelRegistry } from './panels/registry';

export interface IHimalia {
  readonly panels: PanelRegistry;
  /** Opens a panel, or shows its tab when it is open already. */
  open(panel: string, args?: PanelArguments): Promise<void>;
}

export const IHimalia = new Token<IHimalia>(
  '@himalia/lab:IHimalia',
  'Himalia panels: register a panel, open one.'
);
