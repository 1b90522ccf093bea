/** Recharging a balance: for administrators, after a step-up. */
import { useState, type JSX } from 'react';
import { isApiError } from '../../api/errors';
import { stepUp } from '../../api/stepup';
import { Button } from '../../components/basics';
import { Dialog } from '../../components/dialog';
import { toast } from '../../components/feedback';
import { NumberField, TextField, fieldError } from '../../components/fields';
import { formatMoney } from '../../domain/format';
import { useFrame } from '../../frame';
import { t } from '../../i18n';
import { useCan, useInstallation, useMe } from '../../queries/account';
import { useRecharge } from '../../queries/money';

const MICRO = 1_000_000;

export function RechargeButton(): JSX.Element | null {
  const can = useCan();
  const me = useMe();
  const [open, setOpen] = useState(false);
  if (!can('money.recharge.create') && !('money.recharge.create' in (me.data?.with_step_up ?? {}))) {
    return null;
  }
  return (
    <>
      <Button look="primary" icon="plus" onClick={() => setOpen(true)}>
        {t('recharge.open')}
      </Button>
      {open && <RechargeDialog onClose={() => setOpen(false)} />}
    </>
  );
}

function RechargeDialog({ onClose }: { onClose: () => void }): JSX.Element {
  const { client } = useFrame();
  const installation = useInstallation();
  const [amount, setAmount] = useState<number | null>(null);
  const [note, setNote] = useState('');
  const [waiting, setWaiting] = useState(false);
  const recharge = useRecharge(() => {
    toast(t('recharge.done', { money: formatMoney(Math.round((amount ?? 0) * MICRO)) }));
    onClose();
  });
  const send = () => recharge.mutateAsync({ amount_micros: Math.round((amount ?? 0) * MICRO), note });
  const submit = async () => {
    try {
      await send();
    } catch (error) {
      if (!isApiError(error) || error.code !== 'step_up_required' || !installation.data?.hub_url) {
        return;
      }
      setWaiting(true);
      try {
        await stepUp(client, installation.data.hub_url);
        await send();
      } catch {
        // Closed by the person, or refused again: the mutation shows the reason.
      } finally {
        setWaiting(false);
      }
    }
  };
  const asks = isApiError(recharge.error) && recharge.error.code === 'step_up_required';
  return (
    <Dialog
      title={t('recharge.title')}
      accept={t('recharge.open')}
      busy={recharge.isPending || waiting}
      disabled={!amount}
      error={asks ? null : recharge.error}
      onAccept={() => void submit()}
      onClose={onClose}
    >
      <NumberField
        label={t('recharge.amount')}
        hint={t('recharge.amountHint')}
        unit={installation.data?.currency.code}
        step="any"
        autoFocus
        value={amount}
        error={fieldError(recharge.error, 'amount_micros')}
        onChange={setAmount}
      />
      <TextField label={t('ledger.note')} optional limit={255} value={note} onChange={setNote} />
      {asks && <p className="hm-muted">{t('recharge.stepUp')}</p>}
    </Dialog>
  );
}
