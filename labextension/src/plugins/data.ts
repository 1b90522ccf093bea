/** Data: datasets, label groups and the workbench. */
import { areaPlugin } from './areas';

export const dataPlugin = areaPlugin('data', 'Datasets, label groups and the labelling workbench.', []);
