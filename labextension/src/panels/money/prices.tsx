/** Prices in force: what an hour of each resource costs. */
import type { JSX } from 'react';
import { Card } from '../../components/basics';
import { ErrorView, SkeletonPage } from '../../components/feedback';
import { resourceName } from '../../components/verdict';
import { formatMoney, formatMoment } from '../../domain/format';
import { t, tValue } from '../../i18n';
import { usePrices } from '../../queries/money';

export default function PricesPanel(): JSX.Element {
  const prices = usePrices();
  if (prices.error) {
    return <ErrorView error={prices.error} onRetry={() => void prices.refetch()} />;
  }
  if (!prices.data) {
    return <SkeletonPage />;
  }
  return (
    <div className="hm-page">
      <header className="hm-head">
        <h1>{t('price.title')}</h1>
        <span className="hm-muted">{t('price.hint')}</span>
      </header>
      <div className="hm-board">
        <Card title={t('price.title')} flush>
          <table className="hm-plaintable">
            <thead>
              <tr>
                <th>{t('bill.resource')}</th>
                <th>{t('price.section')}</th>
                <th className="hm-num">{t('price.perHour')}</th>
                <th>{t('price.since')}</th>
              </tr>
            </thead>
            <tbody>
              {prices.data.entries.map(one => (
                <tr key={`${one.resource}-${one.section ?? ''}-${one.from}`}>
                  <td>{resourceName(one.resource)}</td>
                  <td>{one.section ? tValue('section', one.section) : t('price.all')}</td>
                  <td className="hm-num">
                    {formatMoney(one.price_micros_per_hour, 4)} {one.unit && <span className="hm-muted">/ {tValue('unit', one.unit)}</span>}
                  </td>
                  <td className="hm-muted">{one.from ? formatMoment(one.from) : t('price.unset')}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Card>
      </div>
    </div>
  );
}
