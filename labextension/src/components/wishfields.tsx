/** "Any accelerator with at least … GiB": the wish, and live what satisfies it, the best first (BEY-23). */
import { useId, type JSX } from 'react';
import type { AcceleratorOffer } from '../api/types';
import { formatBytes, formatMoney, formatMoment } from '../domain/format';
import { language, t } from '../i18n';
import { Button, Chip } from './basics';
import { ErrorLine } from './feedback';
import { NumberField, fieldError } from './fields';
import { Icon } from './icons';
import type { SpecChoice, WishDraft } from './specfields';
import { VERDICT_LOOK, verdictSentence } from './verdict';

const WRITTEN: Record<string, string> = { rocm: 'ROCm' };
const written = (framework: string): string => WRITTEN[framework] ?? framework.toUpperCase();

export function WishFields(props: { wish: WishDraft; choice: SpecChoice; error?: unknown }): JSX.Element {
  const { wish, choice, error } = props;
  const label = useId();
  const change = (part: Partial<WishDraft>) => choice.choose({ wish: { ...wish, ...part }, accelerator: null });
  const known = [...new Set([...(choice.answer?.frameworks ?? []), ...wish.frameworks])].sort();
  const toggle = (name: string) =>
    change({
      frameworks: wish.frameworks.includes(name) ? wish.frameworks.filter(one => one !== name) : [...wish.frameworks, name]
    });
  return (
    <section className="hm-wish" aria-label={t('wish.any')}>
      <div className="hm-wishasked">
        <NumberField
          label={t('wish.count')}
          value={wish.count}
          min={1}
          max={64}
          error={fieldError(error, 'accelerator_wish.count')}
          onChange={count => change({ count })}
        />
        <NumberField
          label={t('wish.memory')}
          value={wish.memoryGib}
          min={0}
          step="any"
          unit="GiB"
          error={fieldError(error, 'accelerator_wish.memory_bytes')}
          onChange={memoryGib => change({ memoryGib })}
        />
        {known.length > 1 && (
          <div className="hm-field" role="group" aria-labelledby={label}>
            <span id={label} className="hm-wishlabel">
              {t('wish.frameworks')}
            </span>
            <div className="hm-wishchips">
              <Chip on={wish.frameworks.length === 0} onClick={() => change({ frameworks: [] })}>
                {t('wish.anyFramework')}
              </Chip>
              {known.map(name => (
                <Chip key={name} on={wish.frameworks.includes(name)} onClick={() => toggle(name)}>
                  {written(name)}
                </Chip>
              ))}
            </div>
          </div>
        )}
      </div>
      <Offers choice={choice} />
    </section>
  );
}

function Offers({ choice }: { choice: SpecChoice }): JSX.Element {
  const name = useId();
  const { answer, asking } = choice;
  if (asking.error && !answer) {
    return (
      <div className="hm-wishnone">
        <ErrorLine error={asking.error} />
        <Button small onClick={asking.again}>
          {t('action.retry')}
        </Button>
      </div>
    );
  }
  if (!answer) {
    return (
      <p className="hm-verdict hm-muted" role="status">
        <Icon name="arc" size={14} className="hm-turn" />
        {t('wish.looking')}
      </p>
    );
  }
  const zh = language() === 'zh';
  if (answer.problem) {
    const nearest = answer.problem.nearest;
    return (
      <div className="hm-wishnone" role="status">
        <Icon name="ring" size={14} className="hm-fail" />
        <p>
          {zh ? answer.problem.sentence_zh : answer.problem.sentence}{' '}
          <span className="hm-muted">{zh ? answer.problem.hint_zh : answer.problem.hint}</span>
        </p>
        {nearest && (
          <Button small onClick={() => choice.choose({ accelerator: nearest.id, wish: null })}>
            {t('wish.takeNearest', { name: nearest.name })}
          </Button>
        )}
      </div>
    );
  }
  const chosen = choice.accelerator?.id ?? answer.offers[0]?.spec.id;
  return (
    <fieldset className="hm-field hm-offers">
      <legend>{t('wish.offers', { n: answer.offers.length })}</legend>
      <ul>
        {answer.offers.map((offer, at) => (
          <OfferRow
            key={offer.spec.id}
            group={name}
            offer={offer}
            on={offer.spec.id === chosen}
            onChoose={() => choice.choose({ accelerator: at === 0 ? null : offer.spec.id })}
          />
        ))}
      </ul>
      <p className="hm-muted">
        {choice.accelerator ? t('wish.named') : `${zh ? answer.why_zh : answer.why} ${t('wish.first')}`}
      </p>
    </fieldset>
  );
}

function OfferRow(props: { group: string; offer: AcceleratorOffer; on: boolean; onChoose: () => void }): JSX.Element {
  const { offer, on } = props;
  const look = VERDICT_LOOK[offer.verdict.verdict];
  const count = Object.values(offer.spec.resources.accelerators)[0] ?? 1;
  const start = offer.verdict.verdict === 'waits' && offer.verdict.expected_start_at;
  const facts = [
    `${count} × ${offer.memory_bytes ? formatBytes(offer.memory_bytes).replace(/\.0(?= )/, '') : '?'}`,
    written(offer.framework),
    t(`wish.form.${offer.form}`)
  ];
  return (
    <li>
      <label className={on ? 'hm-on' : undefined} title={verdictSentence(offer.verdict)}>
        <input type="radio" name={props.group} checked={on} onChange={props.onChoose} />
        <span className="hm-offername">
          <b>{offer.spec.name}</b>
          <span className="hm-muted">{facts.filter(Boolean).join(' · ')}</span>
        </span>
        <span className="hm-offerverdict">
          <Icon name={look.icon} size={14} className={look.tone} />
          <span>
            {t(`verdict.${offer.verdict.verdict}`)}
            {start && <span className="hm-muted">{formatMoment(start)}</span>}
          </span>
        </span>
        <span className="hm-offerprice">
          {t('money.perHour', { money: formatMoney(offer.spec.price_per_hour_micros) })}
        </span>
      </label>
    </li>
  );
}
