/** What a start takes per node: one basic spec and, where the installation has cards, one accelerator spec (CON-1). */
import { useState, type JSX } from 'react';
import type { AcceleratorAnswer, AcceleratorWish, ResourceSpec } from '../api/types';
import { formatMoney, formatResources } from '../domain/format';
import { t } from '../i18n';
import { useSettled } from '../queries/account';
import { useAcceleratorOffers } from '../queries/training';
import { SelectField, fieldError } from './fields';
import { WishFields } from './wishfields';

const GIB = 2 ** 30;
const ANY = 'any';

/** A wish as it is typed; empty numbers are no demand. */
export interface WishDraft {
  count: number | null;
  memoryGib: number | null;
  frameworks: string[];
}

export interface SpecChoice {
  basic: ResourceSpec | undefined;
  accelerator: ResourceSpec | undefined;
  /** Set while any accelerator that suffices is asked for, in place of a named one. */
  wish: WishDraft | null;
  answer: AcceleratorAnswer | undefined;
  asking: { pending: boolean; error: unknown; again: () => void };
  /** Nothing satisfies the wish, so that there is nothing to start. */
  unmet: boolean;
  choose: (change: { basic?: number; accelerator?: number | null; wish?: WishDraft | null }) => void;
  /** The fields of a request that starts something. */
  body: { spec_id: number; accelerator_spec_id?: number; accelerator_wish?: AcceleratorWish } | null;
}

const FIRST: WishDraft = { count: 1, memoryGib: 24, frameworks: [] };

const asked = (wish: WishDraft): AcceleratorWish => ({
  count: Math.max(1, Math.round(wish.count ?? 1)),
  memory_bytes: Math.max(0, Math.round((wish.memoryGib ?? 0) * GIB)),
  frameworks: wish.frameworks
});

/** Which specs are chosen: the first basic one and no accelerator, until the person says otherwise. */
export function useSpecChoice(specs: ResourceSpec[] | undefined, scenario: string): SpecChoice {
  const [basicId, setBasic] = useState<number | null>(null);
  const [acceleratorId, setAccelerator] = useState<number | null>(null);
  const [wish, setWish] = useState<WishDraft | null>(null);
  const basics = specs?.filter(one => one.kind === 'basic') ?? [];
  const basic = basics.find(one => one.id === basicId) ?? basics[0];
  const accelerator = specs?.find(one => one.id === acceleratorId && one.kind !== 'basic');
  const now = JSON.stringify(wish && { ...asked(wish), spec_id: basic?.id, scenario });
  const settled = useSettled(now, 300);
  const question = JSON.parse(settled) as (AcceleratorWish & { spec_id?: number; scenario: string }) | null;
  const offers = useAcceleratorOffers(wish && question);
  const answer = wish ? offers.data : undefined;
  const unmet = !!answer && answer.offers.length === 0;
  const named = wish && accelerator && answer?.offers.some(one => one.spec.id === accelerator.id) ? accelerator : undefined;
  const body = (): SpecChoice['body'] => {
    // While somebody types, nothing is asked and nothing can be started that is not what the form shows.
    if (!basic || (wish && (unmet || settled !== now))) {
      return null;
    }
    if (wish && !named) {
      return { spec_id: basic.id, accelerator_wish: asked(wish) };
    }
    return { spec_id: basic.id, ...(accelerator ? { accelerator_spec_id: accelerator.id } : {}) };
  };
  return {
    basic,
    accelerator: wish ? named : accelerator,
    wish,
    answer,
    asking: { pending: offers.isPending, error: wish ? offers.error : null, again: () => void offers.refetch() },
    unmet: !!wish && unmet,
    choose: change => {
      if (change.basic !== undefined) {
        setBasic(change.basic);
      }
      if (change.accelerator !== undefined) {
        setAccelerator(change.accelerator);
      }
      if (change.wish !== undefined) {
        setWish(change.wish);
      }
    },
    body: body()
  };
}

const perHour = (spec: ResourceSpec): string => t('money.perHour', { money: formatMoney(spec.price_per_hour_micros) });

/** `1 A100`, `2 × mig-1g.5gb`: the card as people know it. */
const cards = (spec: ResourceSpec): string =>
  Object.entries(spec.resources.accelerators)
    .map(([name, count]) => `${count} × ${spec.accelerator_label || name.split('/').pop()}`)
    .join(' + ');

export function SpecFields(props: { specs: ResourceSpec[]; choice: SpecChoice; error?: unknown }): JSX.Element {
  const { specs, choice, error } = props;
  const extra = specs.filter(one => one.kind !== 'basic');
  const pick = (value: string) =>
    choice.choose(
      value === ANY
        ? { accelerator: null, wish: FIRST }
        : { accelerator: value ? Number(value) : null, wish: null }
    );
  return (
    <>
      <SelectField
        label={t('train.spec')}
        value={String(choice.basic?.id ?? '')}
        options={specs
          .filter(one => one.kind === 'basic')
          .map(one => ({ value: String(one.id), label: `${one.name}: ${formatResources(one.resources)}, ${perHour(one)}` }))}
        error={fieldError(error, 'spec_id')}
        onChange={value => choice.choose({ basic: Number(value) })}
      />
      {extra.length > 0 && (
        <SelectField
          label={t('train.accelerator')}
          value={choice.wish ? ANY : String(choice.accelerator?.id ?? '')}
          options={[
            { value: '', label: t('train.noAccelerator') },
            { value: ANY, label: t('wish.any') },
            ...extra.map(one => ({ value: String(one.id), label: `${one.name}: ${cards(one)}, ${perHour(one)}` }))
          ]}
          error={fieldError(error, 'accelerator_spec_id')}
          onChange={pick}
        />
      )}
      {choice.wish && <WishFields wish={choice.wish} choice={choice} error={error} />}
    </>
  );
}
