/** Develop, train, serve and money. */
import { areaPlugin } from './areas';

export const workPlugin = areaPlugin('work', 'Notebooks, training, models, services and cost.', []);
