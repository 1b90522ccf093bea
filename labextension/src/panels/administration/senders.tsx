/** Senders: how codes and links leave the installation, by e-mail, SMS and WeCom (TEN-16). */
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState, type JSX } from 'react';
import type { Moment } from '../../api/types';
import { Button, Time } from '../../components/basics';
import { Dialog } from '../../components/dialog';
import { ErrorLine, toast } from '../../components/feedback';
import { TextField, fieldError } from '../../components/fields';
import { Icon, type IconName } from '../../components/icons';
import { RecordForm, type FieldGroup } from '../../components/record/form';
import { useLeave } from '../../components/record/guard';
import { RecordPage } from '../../components/record/page';
import { useFrame } from '../../frame';
import { t, tValue } from '../../i18n';
import { useStepUp } from '../../queries/standing';
import { Ask, Enabled, Loaded } from './parts';
import { usePlace } from './place';

interface Sender {
  channel: string;
  kind: 'smtp' | 'webhook';
  settings: Record<string, unknown>;
  secret_set: boolean;
  enabled: boolean;
  version: number;
  updated_at: Moment;
}

interface SenderList {
  items: Sender[];
  channels: Record<string, string[]>;
}

const KEY = ['message_sender', 'list'] as const;
const ICONS: Record<string, IconName> = { email: 'tasks', sms: 'pulse', wecom: 'people' };

function useSenders() {
  const { client } = useFrame();
  return useQuery({ queryKey: KEY, queryFn: ({ signal }) => client.get<SenderList>('/message-senders', undefined, signal) });
}

export default function SendersSection(): JSX.Element {
  const answer = useSenders();
  const place = usePlace();
  return (
    <Loaded answer={answer}>
      {list => {
        const channel = place.record;
        if (channel && channel in list.channels) {
          return <SenderPage key={channel} channel={channel} list={list} />;
        }
        return (
          <div className="hm-page">
            <header className="hm-head">
              <h1>{t('senders.title')}</h1>
              <span className="hm-muted hm-ell">{t('senders.note')}</span>
            </header>
            <ul className="hm-choices">
              {Object.keys(list.channels).map(name => (
                <ChannelRow key={name} channel={name} sender={list.items.find(one => one.channel === name)} onOpen={() => place.open(name)} />
              ))}
            </ul>
          </div>
        );
      }}
    </Loaded>
  );
}

function ChannelRow(props: { channel: string; sender: Sender | undefined; onOpen: () => void }): JSX.Element {
  const { channel, sender } = props;
  return (
    <li>
      <Icon name={ICONS[channel] ?? 'pulse'} size={20} />
      <span className="hm-grow">
        <b>{tValue('senders.channel', channel)}</b>
        <span className="hm-muted">{sender ? target(sender) : t('senders.none')}</span>
      </span>
      {sender && <Enabled on={sender.enabled} />}
      {sender && (
        <span className="hm-muted hm-sm">
          <Time at={sender.updated_at} />
        </span>
      )}
      <Button onClick={props.onOpen}>{sender ? t('action.edit') : t('senders.setUp')}</Button>
    </li>
  );
}

const target = ({ kind, settings }: Sender): string =>
  kind === 'smtp' ? `${word(settings['sender_address'])} · ${word(settings['host'])}:${word(settings['port'])}` : word(settings['url']);

const word = (value: unknown): string => (typeof value === 'string' || typeof value === 'number' ? String(value) : '');

interface SenderValues {
  kind: string;
  host: string;
  port: number | null;
  security: string;
  user: string;
  sender_address: string;
  sender_name: string;
  url: string;
  template: string;
  allow_private_address: boolean;
  secret: string;
  enabled: boolean;
}

const SMTP = ['host', 'port', 'security', 'user', 'sender_address', 'sender_name'] as const;
const WEBHOOK = ['url', 'template', 'allow_private_address'] as const;

const FIRST: SenderValues = {
  kind: 'smtp',
  host: '',
  port: 587,
  security: 'starttls',
  user: '',
  sender_address: '',
  sender_name: 'Himalia',
  url: '',
  template: 'Himalia: your code is {code}. It is valid for 5 minutes.',
  allow_private_address: false,
  secret: '',
  enabled: true
};

function groupsOf(kinds: readonly string[], present: Sender | undefined): FieldGroup<SenderValues>[] {
  const smtp = (values: SenderValues) => values.kind === 'smtp';
  const webhook = (values: SenderValues) => values.kind === 'webhook';
  return [
    {
      id: 'kind',
      fields: [
        { name: 'enabled', type: 'check', label: t('record.enabled'), hint: t('senders.enabledHint') },
        { name: 'kind', type: 'select', label: t('senders.kind'), options: kinds.map(value => ({ value, label: tValue('senders.kind', value) })) }
      ]
    },
    {
      id: 'settings',
      fields: [
        { name: 'host', type: 'text', label: t('senders.host'), show: smtp, limit: 255, placeholder: 'smtp.example.org' },
        { name: 'port', type: 'number', label: t('senders.port'), show: smtp, min: 1, max: 65_535 },
        {
          name: 'security',
          type: 'select',
          label: t('senders.security'),
          show: smtp,
          options: ['starttls', 'tls', 'none'].map(value => ({ value, label: tValue('senders.security', value) }))
        },
        { name: 'user', type: 'text', label: t('senders.user'), optional: true, show: smtp, limit: 320 },
        { name: 'sender_address', type: 'text', label: t('senders.address'), show: smtp, limit: 320, placeholder: 'himalia@example.org' },
        { name: 'sender_name', type: 'text', label: t('senders.name'), show: smtp, limit: 64 },
        { name: 'url', type: 'text', label: t('senders.url'), show: webhook, limit: 1024, placeholder: 'https://', hint: t('senders.urlHint') },
        { name: 'template', type: 'area', label: t('senders.template'), show: webhook, limit: 500, hint: t('senders.templateHint') },
        { name: 'allow_private_address', type: 'check', label: t('senders.private'), show: webhook, hint: t('senders.privateHint') },
        {
          name: 'secret',
          type: 'text',
          secret: true,
          optional: true,
          label: t('senders.secret'),
          limit: 1024,
          placeholder: present?.secret_set ? t('senders.secretKept') : '',
          hint: t('senders.secretHint')
        }
      ]
    }
  ];
}

const valuesOf = (sender: Sender): SenderValues => ({ ...FIRST, ...sender.settings, kind: sender.kind, enabled: sender.enabled, secret: '' });

function bodyOf(values: SenderValues) {
  const names: readonly (keyof SenderValues)[] = values.kind === 'smtp' ? SMTP : WEBHOOK;
  return {
    kind: values.kind,
    settings: Object.fromEntries(names.map(name => [name, values[name]])),
    enabled: values.enabled,
    ...(values.secret ? { secret: values.secret } : {})
  };
}

function SenderPage({ channel, list }: { channel: string; list: SenderList }): JSX.Element {
  const { client } = useFrame();
  const queries = useQueryClient();
  const place = usePlace();
  const leave = useLeave();
  const stepUp = useStepUp();
  const [asking, setAsking] = useState<'test' | 'delete' | null>(null);
  const present = list.items.find(one => one.channel === channel);
  const kinds = list.channels[channel] ?? [];
  const refresh = () => queries.invalidateQueries({ queryKey: KEY });
  return (
    <RecordPage
      list={t('senders.title')}
      onBack={place.close}
      title={tValue('senders.channel', channel)}
      aside={present && <Enabled on={present.enabled} />}
      actions={
        present && (
          <>
            <Button icon="play" onClick={() => leave(() => setAsking('test'))}>
              {t('senders.test')}
            </Button>
            <Button look="danger" icon="trash" onClick={() => leave(() => setAsking('delete'))}>
              {t('action.delete')}
            </Button>
          </>
        )
      }
    >
      <RecordForm<SenderValues>
        key={present?.version ?? 0}
        stored={{ values: present ? valuesOf(present) : { ...FIRST, kind: kinds[0] ?? 'webhook' }, version: present?.version }}
        groups={groupsOf(kinds, present)}
        save={async (values, _changes, version) => {
          await client.put(`/message-senders/${channel}`, bodyOf(values), { version });
          toast(t('senders.saved', { channel: tValue('senders.channel', channel) }));
          await refresh();
        }}
        reload={
          present &&
          (async () => {
            const now = (await client.get<SenderList>('/message-senders')).items.find(one => one.channel === channel);
            return { values: now ? valuesOf(now) : FIRST, version: now?.version };
          })
        }
        accept={t('action.save')}
        onCancel={place.close}
        stepUp={stepUp.ask}
      />
      {asking === 'test' && <TestDialog channel={channel} onClose={() => setAsking(null)} />}
      {asking === 'delete' && present && (
        <Ask
          title={t('senders.deleteTitle', { channel: tValue('senders.channel', channel) })}
          accept={t('action.delete')}
          danger
          run={async () => {
            await client.delete(`/message-senders/${channel}`, { version: present.version });
            await refresh();
            place.close();
          }}
          onClose={() => setAsking(null)}
        >
          <p>{t('senders.deleteText')}</p>
        </Ask>
      )}
    </RecordPage>
  );
}

function TestDialog({ channel, onClose }: { channel: string; onClose: () => void }): JSX.Element {
  const { client } = useFrame();
  const [to, setTo] = useState('');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const [sent, setSent] = useState(false);
  const send = async () => {
    setBusy(true);
    setError(null);
    setSent(false);
    try {
      await client.post(`/message-senders/${channel}/test`, { to });
      setSent(true);
    } catch (refused) {
      setError(refused);
    } finally {
      setBusy(false);
    }
  };
  const atField = fieldError(error, 'to');
  return (
    <Dialog title={t('senders.test')} accept={t('senders.send')} busy={busy} disabled={!to.trim()} onAccept={() => void send()} onClose={onClose}>
      <TextField label={tValue('senders.to', channel)} value={to} onChange={setTo} error={atField} autoFocus />
      {!atField && <ErrorLine error={error} />}
      {sent && (
        <p className="hm-run hm-row hm-tight" role="status">
          <Icon name="check" size={14} /> {t('senders.sent', { to })}
        </p>
      )}
    </Dialog>
  );
}
