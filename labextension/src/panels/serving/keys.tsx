/** Keys of a service: made, shown once, revoked. */
import { useState, type JSX } from 'react';
import type { InferenceService, ServiceKey } from '../../api/types';
import { CodeBlock } from '../../components/ascode';
import { Button, Card, IconButton, Time } from '../../components/basics';
import { Dialog } from '../../components/dialog';
import { ErrorView } from '../../components/feedback';
import { NumberField, TextField, fieldError } from '../../components/fields';
import { t } from '../../i18n';
import { useCan } from '../../queries/account';
import { useCreateKey, useKeys, useRevokeKey } from '../../queries/serving';

export function Keys({ service }: { service: InferenceService }): JSX.Element {
  const can = useCan();
  const keys = useKeys(service.id);
  const revoke = useRevokeKey(service.id);
  const [making, setMaking] = useState(false);
  const [made, setMade] = useState<ServiceKey | null>(null);
  if (keys.error) {
    return <ErrorView error={keys.error} onRetry={() => void keys.refetch()} />;
  }
  return (
    <div className="hm-board">
      <Card
        title={t('serve.keys')}
        flush
        aside={
          can('serve.key.manage') && (
            <Button small look="primary" icon="key" onClick={() => setMaking(true)}>
              {t('serve.newKey')}
            </Button>
          )
        }
      >
        {keys.data?.length === 0 && <p className="hm-in hm-muted">{t('serve.noKeys')}</p>}
        <table className="hm-plaintable">
          <tbody>
            {(keys.data ?? []).map(key => (
              <tr key={key.id}>
                <td>
                  <b>{key.name}</b>
                </td>
                <td className="hm-mono hm-muted">{key.prefix ? `${key.prefix}…` : ''}</td>
                <td>{key.requests_per_minute ? t('serve.perMinute', { count: key.requests_per_minute }) : t('serve.noLimit')}</td>
                <td className="hm-muted">
                  <Time at={key.created_at} />
                </td>
                <td>
                  <IconButton small icon="trash" label={t('serve.revoke', { name: key.name })} onClick={() => revoke.mutate(key.id)} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Card>
      {making && (
        <NewKey
          service={service}
          onClose={() => setMaking(false)}
          onMade={key => {
            setMaking(false);
            setMade(key);
          }}
        />
      )}
      {made?.key && (
        <Dialog title={t('serve.keyMade')} onClose={() => setMade(null)}>
          <p>{t('serve.keyOnce')}</p>
          <CodeBlock text={made.key} />
        </Dialog>
      )}
    </div>
  );
}

function NewKey(props: { service: InferenceService; onClose: () => void; onMade: (key: ServiceKey) => void }): JSX.Element {
  const [name, setName] = useState('');
  const [limit, setLimit] = useState<number | null>(null);
  const create = useCreateKey(props.service.id, props.onMade);
  return (
    <Dialog
      title={t('serve.newKey')}
      accept={t('action.create')}
      busy={create.isPending}
      disabled={!name}
      error={create.error}
      onAccept={() => create.mutate({ name, ...(limit ? { requests_per_minute: limit } : {}) })}
      onClose={props.onClose}
    >
      <TextField label={t('serve.keyName')} value={name} limit={64} autoFocus onChange={setName} error={fieldError(create.error, 'name')} />
      <NumberField label={t('serve.rateLimit')} optional min={1} value={limit} onChange={setLimit} />
    </Dialog>
  );
}
