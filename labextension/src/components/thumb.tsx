/** Thumbnails and labels as they look everywhere: on tiles, in tables, in comparisons. */
import type { JSX } from 'react';
import type { ItemLabel } from '../api/types';
import { useFrame } from '../frame';
import { t } from '../i18n';
import { LabelDot } from './basics';

/** The last part of an item's path: folders go into the hover. */
export const baseName = (name: string): string => name.split('/').at(-1) ?? name;

const TINY = 48;

export function Thumb(props: { path: string | null; name: string; className?: string }): JSX.Element {
  const { client } = useFrame();
  return props.path ? (
    <img
      className={`hm-thumb${props.className ? ` ${props.className}` : ''}`}
      src={client.media(props.path)}
      alt={props.name}
      loading="lazy"
      decoding="async"
      draggable={false}
      onLoad={event => {
        // Tiny pictures are shown as their pixels, not as a blur.
        const image = event.currentTarget;
        image.classList.toggle('hm-pixels', Math.max(image.naturalWidth, image.naturalHeight) < TINY);
      }}
    />
  ) : (
    <span className={`hm-thumb${props.className ? ` ${props.className}` : ''}`} />
  );
}

/** Where a label comes from, for hover. */
export function originWords(label: ItemLabel): string {
  const by = label.by ?? '–';
  const words = label.origin === 'import' ? t('items.origin.import') : t(`items.origin.${label.origin}`, { by });
  return label.score === null ? words : `${words}, ${t('items.score', { score: label.score.toFixed(2) })}`;
}

export function ItemLabels({ labels, empty }: { labels: readonly ItemLabel[]; empty?: string }): JSX.Element {
  return (
    <span className="hm-itemlabels">
      {labels.map(label => (
        <span
          key={label.label_id}
          title={`${label.name}: ${originWords(label)}`}
          className={label.origin === 'service' ? 'hm-suggested' : undefined}
        >
          <LabelDot colour={label.colour} />
          <span className="hm-ell">{label.name}</span>
        </span>
      ))}
      {labels.length === 0 && empty && <span className="hm-muted">{empty}</span>}
    </span>
  );
}
