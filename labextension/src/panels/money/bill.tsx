/** One bill: who, when, what, each line with quantity, unit price and amount. */
import type { JSX } from 'react';
import type { Bill } from '../../api/types';
import { StatePill } from '../../components/basics';
import { Dialog } from '../../components/dialog';
import { resourceName } from '../../components/verdict';
import { formatElapsed, formatMoment, formatMoney, formatResources, formatValue } from '../../domain/format';
import { t, tValue } from '../../i18n';
import { useBill } from '../../queries/money';

export function BillDialog({ bill, onClose }: { bill: Bill; onClose: () => void }): JSX.Element {
  const full = useBill(bill.id);
  const shown = full.data ?? bill;
  const facts: [string, string][] = [
    [t('bill.work'), shown.object?.name ?? ''],
    [t('bill.user'), shown.user.name],
    [t('bill.started'), formatMoment(shown.started_at)],
    [t('bill.ended'), formatMoment(shown.ended_at)],
    [t('bill.quantity'), formatElapsed(shown.duration_seconds)],
    [t('bill.resources'), formatResources(shown.resources)]
  ];
  return (
    <Dialog title={t('bill.one', { serial: shown.serial })} wide onClose={onClose}>
      <StatePill state={shown.state} />
      <dl className="hm-factlist">
        {facts.map(([label, value]) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <table className="hm-plaintable">
        <thead>
          <tr>
            <th>{t('bill.resource')}</th>
            <th className="hm-num">{t('bill.amountOf')}</th>
            <th className="hm-num">{t('bill.seconds')}</th>
            <th className="hm-num">{t('bill.unitPrice')}</th>
            <th className="hm-num">{t('bill.cost')}</th>
          </tr>
        </thead>
        <tbody>
          {shown.lines.map((line, at) => (
            <tr key={at}>
              <td>{resourceName(line.resource)}</td>
              <td className="hm-num">
                {formatValue(line.quantity)} {tValue('unit', line.unit)}
              </td>
              <td className="hm-num">{formatValue(line.seconds)}</td>
              <td className="hm-num">{formatMoney(line.unit_price_micros, 4)}</td>
              <td className="hm-num">{formatMoney(line.amount_micros, 6)}</td>
            </tr>
          ))}
          <tr>
            <td colSpan={4}>
              <b>{t('bill.total')}</b>
            </td>
            <td className="hm-num">
              <b>{formatMoney(shown.total_micros, 6)}</b>
            </td>
          </tr>
        </tbody>
      </table>
    </Dialog>
  );
}
