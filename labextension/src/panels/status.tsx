/** The status bar item's content. */
import type { JSX } from 'react';
import { Meter } from '../components/basics';
import { Icon } from '../components/icons';
import { acceleratorName, formatMemory, formatMoney, formatPercent } from '../domain/format';
import { t } from '../i18n';
import { useBalance, useConnection, useInstallation, useThisServer } from '../queries/account';

const HIGH = 0.9;

export function StatusItem({ onOpen }: { onOpen: () => void }): JSX.Element {
  useInstallation();
  const server = useThisServer();
  const balance = useBalance();
  const connection = useConnection();
  const usage = server.data?.usage;
  const memory = usage && usage.memory_limit_bytes ? usage.memory_bytes / usage.memory_limit_bytes : 0;
  return (
    <button type="button" className="hm-status" title={t('status.open')} onClick={onOpen}>
      {usage && (
        <>
          <span>
            {t('status.cpu')} <Meter share={usage.cpu_percent / 100} label={t('status.cpu')} />{' '}
            {formatPercent(usage.cpu_percent / 100)}
          </span>
          <span>
            {t('status.memory')} <Meter share={memory} high={memory > HIGH} label={t('quota.memory')} />{' '}
            {t('quota.of', {
              used: formatMemory(usage.memory_bytes),
              limit: formatMemory(usage.memory_limit_bytes)
            })}
          </span>
          {Object.entries(usage.accelerators).map(([name, percent]) => (
            <span key={name}>
              {acceleratorName(name)} {formatPercent(percent / 100)}
            </span>
          ))}
        </>
      )}
      {server.data && <span>{t('money.perHour', { money: formatMoney(server.data.price_per_hour_micros) })}</span>}
      {balance.data && <span>{formatMoney(balance.data.available_micros)}</span>}
      <span className={connection === 'connected' ? 'hm-run' : connection === 'lost' ? 'hm-fail' : 'hm-busy'}>
        <Icon name={connection === 'connected' ? 'disc' : connection === 'lost' ? 'warning' : 'arc'} size={12} />
        <span className="hm-plain">
          {t('status.himalia')} {t(`connection.${connection}`)}
        </span>
      </span>
    </button>
  );
}
