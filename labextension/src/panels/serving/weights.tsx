/** Changing the split of a running service; it takes effect without a failed call. */
import { useState, type JSX } from 'react';
import type { InferenceService } from '../../api/types';
import { Dialog } from '../../components/dialog';
import { NumberField } from '../../components/fields';
import { t } from '../../i18n';
import { useSetWeights } from '../../queries/serving';

export function Weights({ service, onClose }: { service: InferenceService; onClose: () => void }): JSX.Element {
  const [weights, setWeights] = useState<Record<string, number | null>>(
    Object.fromEntries(service.variants.map(one => [one.name, one.weight_percent]))
  );
  const save = useSetWeights(service);
  const total = Object.values(weights).reduce<number>((sum, one) => sum + (one ?? 0), 0);
  const submit = () => {
    const body = Object.fromEntries(Object.entries(weights).map(([name, value]) => [name, value ?? 0]));
    save.mutate(body, { onSuccess: onClose });
  };
  return (
    <Dialog
      title={t('serve.changeWeights')}
      accept={t('action.save')}
      busy={save.isPending}
      disabled={total !== 100}
      error={save.error}
      onAccept={submit}
      onClose={onClose}
    >
      {service.variants.map(one => (
        <NumberField
          key={one.name}
          label={`${one.name} · ${one.model.name} ${one.model.version}`}
          unit="%"
          min={0}
          max={100}
          value={weights[one.name] ?? null}
          onChange={value => setWeights(all => ({ ...all, [one.name]: value }))}
        />
      ))}
      {total !== 100 && (
        <p className="hm-fail" role="alert">
          {t('serve.weightsMust', { total })}
        </p>
      )}
    </Dialog>
  );
}
