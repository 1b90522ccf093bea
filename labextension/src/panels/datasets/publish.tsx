/** Publishing a version: description, splits, seed; or what is still open. */
import { useState, type JSX } from 'react';
import type { Dataset, DatasetVersion } from '../../api/types';
import { PartsBar } from '../../components/chart';
import { Dialog } from '../../components/dialog';
import { toast } from '../../components/feedback';
import { NumberField, TextField, fieldError } from '../../components/fields';
import { Icon } from '../../components/icons';
import { formatNumber } from '../../domain/format';
import { useFrame } from '../../frame';
import { t } from '../../i18n';
import { usePublish } from '../../queries/data';

const PARTS = ['train', 'validation', 'test'] as const;
const COLOUR = { train: 'var(--himalia-s1)', validation: 'var(--himalia-s3)', test: 'var(--himalia-s2)' };

export const versionName = (number: number): string => `V${String(number).padStart(4, '0')}`;

export function PublishDialog(props: {
  dataset: Dataset;
  latest: DatasetVersion | undefined;
  onClose: () => void;
}): JSX.Element {
  const { dataset } = props;
  const { open } = useFrame();
  const [description, setDescription] = useState('');
  const [percent, setPercent] = useState<Record<(typeof PARTS)[number], number | null>>({
    train: 80,
    validation: 10,
    test: 10
  });
  const [seed, setSeed] = useState<number | null>(0);
  const version = versionName((props.latest?.number ?? 0) + 1);
  const publish = usePublish(dataset.id, made => {
    toast(t('publish.done', { version: made.version }));
    props.onClose();
  });
  const sum = PARTS.reduce((total, part) => total + (percent[part] ?? 0), 0);
  if (dataset.open_items > 0) {
    return (
      <Dialog
        title={t('publish.title', { version })}
        accept={t('publish.label')}
        onClose={props.onClose}
        onAccept={() => {
          open('workbench', { id: dataset.id, 'view.open': true });
          props.onClose();
        }}
      >
        <p className="hm-row">
          <Icon name="half" className="hm-wait" />
          {t('publish.open', { count: dataset.open_items, items: dataset.items })}
        </p>
      </Dialog>
    );
  }
  const accept = () =>
    publish.mutate({
      description,
      seed: seed ?? 0,
      splits: {
        train: (percent.train ?? 0) / 100,
        validation: (percent.validation ?? 0) / 100,
        test: (percent.test ?? 0) / 100
      }
    });
  return (
    <Dialog
      title={t('publish.title', { version })}
      accept={t('publish.accept', { version })}
      busy={publish.isPending}
      disabled={Math.abs(sum - 100) > 1e-6}
      error={fieldError(publish.error, 'description') || fieldError(publish.error, 'splits') ? null : publish.error}
      onClose={props.onClose}
      onAccept={accept}
    >
      <TextField
        label={t('publish.description')}
        optional
        limit={100}
        value={description}
        autoFocus
        error={fieldError(publish.error, 'description')}
        onChange={setDescription}
      />
      <div className="hm-splits">
        {PARTS.map(part => (
          <NumberField
            key={part}
            label={t(`publish.${part}`)}
            min={0}
            max={100}
            step={5}
            unit="%"
            value={percent[part]}
            onChange={value => setPercent({ ...percent, [part]: value })}
          />
        ))}
      </div>
      <PartsBar
        label={t('publish.splits')}
        parts={PARTS.map(part => ({
          label: t(`publish.${part}`),
          value: percent[part] ?? 0,
          colour: COLOUR[part],
          words: formatNumber(Math.round((dataset.items * (percent[part] ?? 0)) / 100))
        }))}
      />
      <p className={Math.abs(sum - 100) > 1e-6 || fieldError(publish.error, 'splits') ? 'hm-fail hm-sm' : 'hm-muted hm-sm'}>
        {fieldError(publish.error, 'splits') ??
          (Math.abs(sum - 100) > 1e-6 ? t('publish.sum', { sum }) : t('publish.stratified'))}
      </p>
      <NumberField label={t('publish.seed')} hint={t('publish.seedHint')} step={1} value={seed} onChange={setSeed} />
    </Dialog>
  );
}
