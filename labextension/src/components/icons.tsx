/** Icons in one stroke style on a 16-pixel grid, for React and (as LabIcons) for JupyterLab. */
import { LabIcon } from '@jupyterlab/ui-components';
import type { JSX } from 'react';

const PATHS = {
  mountain:
    '<path d="M1.5 13.25 6 5l2.75 4.5L10.25 7l4.25 6.25z"/><circle cx="11.75" cy="3.75" r="1.25"/>',
  folder: '<path d="M1.75 4.25v8.5h12.5v-7h-6.5l-1.5-2h-4.5z"/>',
  search: '<circle cx="7" cy="7" r="4.5"/><path d="m10.5 10.5 3.5 3.5"/>',
  notebook: '<rect x="3" y="1.75" width="10.5" height="12.5" rx="1"/><path d="M5.75 1.75v12.5M2 5h2M2 8h2M2 11h2"/>',
  stop: '<rect x="4" y="4" width="8" height="8" rx="1"/>',
  curve: '<path d="M2 13.5V2.5M2 13.5h12"/><path d="M4 4c1 5.5 3.5 7 9.5 7.25"/>',
  pulse: '<path d="M2 8h3l2-4.5 2.5 9 2-4.5H14"/>',
  download: '<path d="M8 2.5v8M4.5 7 8 10.5 11.5 7M3 13.5h10"/>',
  upload: '<path d="M8 13V5M4.5 8.5 8 5l3.5 3.5M3 2.5h10"/>',
  close: '<path d="m4 4 8 8M12 4l-8 8"/>',
  dataset:
    '<ellipse cx="8" cy="3.75" rx="5.25" ry="2"/><path d="M2.75 3.75v8.5c0 1.1 2.35 2 5.25 2s5.25-.9 5.25-2v-8.5M2.75 8c0 1.1 2.35 2 5.25 2s5.25-.9 5.25-2"/>',
  label: '<path d="M2.25 2.25h5.5l6 6-5.5 5.5-6-6z"/><circle cx="5.25" cy="5.25" r=".75"/>',
  tasks: '<path d="m2 4 1.25 1.25L5.5 3M2 9.5l1.25 1.25L5.5 8.5M8 4.25h6M8 9.75h6"/>',
  code: '<path d="M5 4.5 1.75 8 5 11.5M11 4.5 14.25 8 11 11.5M9.25 3l-2.5 10"/>',
  layers: '<path d="m8 2 6 3-6 3-6-3zM2 8l6 3 6-3M2 11l6 3 6-3"/>',
  bars: '<path d="M2 13.75h12M4 11.5V8M8 11.5V3M12 11.5V5.5"/>',
  cube: '<path d="m8 1.75 5.5 3v6.5l-5.5 3-5.5-3v-6.5zM2.5 4.75 8 7.75l5.5-3M8 7.75v6.5"/>',
  wallet: '<rect x="1.75" y="4" width="12.5" height="9.25" rx="1"/><path d="M1.75 6.75h12.5M10.5 10h1.5M4 4l6.5-1.75V4"/>',
  plus: '<path d="M8 3v10M3 8h10"/>',
  filter: '<path d="M2 3.5h12L9.5 9v4.5l-3-1.5V9z"/>',
  down: '<path d="M8 3v10M4.5 9.5 8 13l3.5-3.5"/>',
  up: '<path d="M8 13V3M4.5 6.5 8 3l3.5 3.5"/>',
  check: '<path d="m3 8.5 3.25 3.25L13 5"/>',
  minus: '<path d="M3.5 8h9"/>',
  half: '<circle cx="8" cy="8" r="5.5"/><path d="M8 2.5a5.5 5.5 0 0 1 0 11z" fill="currentColor"/>',
  arc: '<path d="M8 2.25A5.75 5.75 0 1 1 2.25 8"/>',
  ring: '<circle cx="8" cy="8" r="5.5"/>',
  disc: '<circle cx="8" cy="8" r="5.5" fill="currentColor"/>',
  warning: '<path d="M8 2 1.75 13.5h12.5zM8 6.5v3M8 11.5v.01"/>',
  people:
    '<circle cx="6" cy="5.25" r="2.5"/><path d="M1.5 13.5c.4-2.7 2-3.9 4.5-3.9s4.1 1.2 4.5 3.9M10.5 3a2.4 2.4 0 0 1 0 4.6M12 10c1.4.5 2.2 1.7 2.5 3.5"/>',
  person: '<circle cx="8" cy="5" r="2.75"/><path d="M2.75 14c.5-3 2.5-4.25 5.25-4.25S12.75 11 13.25 14"/>',
  trash: '<path d="M2.5 4.25h11M6 4V2.5h4V4M4 4.25l.75 9.5h6.5l.75-9.5M6.75 7v4M9.25 7v4"/>',
  left: '<path d="M9.75 4.5 6.25 8l3.5 3.5"/>',
  right: '<path d="m6.25 4.5 3.5 3.5-3.5 3.5"/>',
  chevron: '<path d="m4.5 6.25 3.5 3.5 3.5-3.5"/>',
  undo: '<path d="M5.5 3 2.5 6l3 3M2.5 6h7a4 4 0 0 1 0 8H6"/>',
  redo: '<path d="m10.5 3 3 3-3 3M13.5 6h-7a4 4 0 0 0 0 8H10"/>',
  clock: '<circle cx="8" cy="8" r="6"/><path d="M8 4.5V8l2.5 1.5"/>',
  help: '<circle cx="8" cy="8" r="6"/><path d="M6.25 6.25a1.75 1.75 0 1 1 2.5 1.6c-.5.25-.75.6-.75 1.15M8 11.25v.01"/>',
  refresh:
    '<path d="M13.5 3v3.25h-3.25M2.5 13V9.75h3.25"/><path d="M13 6.25A5.5 5.5 0 0 0 3.25 5M3 9.75A5.5 5.5 0 0 0 12.75 11"/>',
  more: '<path d="M3.5 8h.01M8 8h.01M12.5 8h.01" stroke-width="2"/>',
  play: '<path d="M5 3.25v9.5L12.5 8z"/>',
  pause: '<path d="M5.5 3.5v9M10.5 3.5v9"/>',
  pencil: '<path d="m2.75 13.25.75-3L11 2.75l2.25 2.25-7.5 7.5z"/>',
  link: '<path d="M6.5 9.5a2.5 2.5 0 0 0 3.75.25l2.5-2.5A2.65 2.65 0 0 0 9 3.5L8 4.5M9.5 6.5a2.5 2.5 0 0 0-3.75-.25l-2.5 2.5A2.65 2.65 0 0 0 7 12.5l1-1"/>',
  share: '<circle cx="12" cy="3.5" r="1.75"/><circle cx="12" cy="12.5" r="1.75"/><circle cx="4" cy="8" r="1.75"/><path d="m5.5 7.25 5-2.9M5.5 8.75l5 2.9"/>',
  copy: '<rect x="5.25" y="5.25" width="8.5" height="8.5" rx="1"/><path d="M10.75 5.25v-3h-8.5v8.5h3"/>',
  split: '<path d="M2 8h3.5L9 3.5h5M5.5 8 9 12.5h5M12 1.5l2 2-2 2M12 10.5l2 2-2 2"/>',
  image: '<rect x="2" y="2.75" width="12" height="10.5" rx="1"/><circle cx="5.5" cy="6" r="1"/><path d="m2.5 11.75 3.5-3 2.25 2L11 8l3 3"/>',
  rollback: '<path d="M5 2.5 2 5.5l3 3M2 5.5h6.5a5 5 0 0 1 0 8.5H4.5"/>',
  wand: '<path d="m2.5 13.5 8-8M9 4l3 3M12.5 1.5v2M11.5 2.5h2M5 2v2M4 3h2M13.5 9.5v2M12.5 10.5h2"/>',
  zoom: '<circle cx="7" cy="7" r="4.5"/><path d="m10.5 10.5 3.5 3.5M7 5v4M5 7h4"/>',
  zoomOut: '<circle cx="7" cy="7" r="4.5"/><path d="m10.5 10.5 3.5 3.5M5 7h4"/>',
  fit: '<path d="M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10"/>',
  rotate: '<path d="M13.25 8A5.25 5.25 0 1 1 11.5 4.1M13.5 2v3h-3"/>',
  sun: '<circle cx="8" cy="8" r="2.75"/><path d="M8 1.5v1.75M8 12.75v1.75M1.5 8h1.75M12.75 8h1.75M3.4 3.4l1.25 1.25M11.35 11.35l1.25 1.25M12.6 3.4l-1.25 1.25M4.65 11.35 3.4 12.6"/>',
  none: '<circle cx="8" cy="8" r="5.5"/><path d="m4.1 11.9 7.8-7.8"/>',
  star: '<path d="m8 2 1.8 3.9 4.2.5-3.1 2.9.8 4.2L8 11.4l-3.7 2.1.8-4.2L2 6.4l4.2-.5z"/>',
  table: '<rect x="2" y="2.75" width="12" height="10.5" rx="1"/><path d="M2 6.25h12M2 9.75h12M6.5 2.75v10.5"/>',
  grid: '<rect x="2.5" y="2.5" width="4.5" height="4.5"/><rect x="9" y="2.5" width="4.5" height="4.5"/><rect x="2.5" y="9" width="4.5" height="4.5"/><rect x="9" y="9" width="4.5" height="4.5"/>',
  key: '<circle cx="5" cy="10.5" r="2.75"/><path d="m7 8.5 6-6M10.5 5l2 2M12.5 3l1 1"/>'
} as const;

export type IconName = keyof typeof PATHS;

export interface IconProps {
  name: IconName;
  size?: 12 | 14 | 16 | 20;
  className?: string;
}

export function Icon({ name, size = 16, className }: IconProps): JSX.Element {
  return (
    <svg
      className={`hm-i${className ? ` ${className}` : ''}`}
      viewBox="0 0 16 16"
      width={size}
      height={size}
      aria-hidden="true"
      dangerouslySetInnerHTML={{ __html: PATHS[name] }}
    />
  );
}

const made = new Map<IconName, LabIcon>();

/** The same drawing as a LabIcon, for tabs, launcher cards and the side bar. */
export function labIcon(name: IconName): LabIcon {
  let icon = made.get(name);
  if (!icon) {
    const svgstr =
      '<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 16 16"><g class="jp-icon3" style="fill:none" ' +
      'stroke="#616161" stroke-width="1.35" stroke-linecap="round" stroke-linejoin="round">' +
      `${PATHS[name]}</g></svg>`;
    icon = new LabIcon({ name: `himalia:${name}`, svgstr });
    made.set(name, icon);
  }
  return icon;
}
