/** Import of members from a CSV file: tried first, then done, with a report for each line (TEN-6). */
import { useQuery } from '@tanstack/react-query';
import { useRef, useState, type JSX } from 'react';
import { Button, Meter } from '../../components/basics';
import { ErrorLine, toastError } from '../../components/feedback';
import { Icon } from '../../components/icons';
import { RecordPage } from '../../components/record/page';
import { downloadText } from '../../domain/download';
import { formatNumber } from '../../domain/format';
import { useFrame } from '../../frame';
import { language, t } from '../../i18n';
import { useRecordChanges } from '../../queries/records';
import { useStepUp } from '../../queries/standing';
import { isApiError } from '../../api/errors';
import { MEMBERS, useScoped } from './collections';
import { usePlace } from './place';
import { OrganisationPicker, useScope } from './scope';

const OUTCOMES = ['created', 'changed', 'unchanged', 'refused'] as const;
type Outcome = (typeof OUTCOMES)[number];

interface Import {
  id: number;
  dry_run: boolean;
  encoding: string;
  state: string;
  done: number;
  total: number;
  counts: Partial<Record<Outcome, number>>;
  error: { message?: string; detail?: string } | null;
  ended_at: string | null;
}

interface Line {
  line: number;
  outcome: Outcome;
  name: string;
  problems: { field: string; message: string; message_zh: string }[];
}

const LINES = 500;

export function MemberImport(): JSX.Element {
  const place = usePlace();
  const { client } = useFrame();
  const scope = useScope();
  const stepUp = useStepUp();
  const members = useRecordChanges(useScoped(MEMBERS), ['department']);
  const input = useRef<HTMLInputElement>(null);
  const [file, setFile] = useState<File | null>(null);
  const [started, setStarted] = useState<number | null>(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const [over, setOver] = useState(false);
  const progress = useQuery({
    queryKey: ['member_import', 'one', started, scope.query],
    queryFn: ({ signal }) => client.get<Import>(`/member-imports/${started}`, scope.query, signal),
    enabled: started !== null,
    refetchInterval: query => (query.state.data?.ended_at ? false : 700)
  });
  const run = progress.data;
  const ended = !!run?.ended_at;
  const begin = async (chosen: File, dry: boolean) => {
    setBusy(true);
    setError(null);
    try {
      const answer = await client.send('POST', '/member-imports', {
        query: { ...scope.query, dry_run: dry },
        raw: chosen,
        headers: { 'Content-Type': 'text/csv' }
      });
      setStarted(((await answer.json()) as Import).id);
      if (!dry) {
        void members.refresh();
      }
    } catch (refused) {
      setError(refused);
    } finally {
      setBusy(false);
    }
  };
  const choose = (chosen: File | undefined) => {
    if (chosen) {
      setFile(chosen);
      setStarted(null);
      void begin(chosen, true);
    }
  };
  const template = async () => {
    try {
      downloadText('members.csv', await (await client.send('GET', '/members/template')).blob());
    } catch (refused) {
      toastError(refused);
    }
  };
  const would = (run?.counts.created ?? 0) + (run?.counts.changed ?? 0);
  const asks = isApiError(error) && error.code === 'step_up_required';
  return (
    <RecordPage
      list={t('members.title')}
      onBack={place.close}
      title={t('members.import')}
      actions={
        <>
          <OrganisationPicker />
          <Button icon="table" onClick={() => void template()}>
            {t('members.template')}
          </Button>
          {file && ended && run?.dry_run && (
            <Button look="primary" icon="upload" busy={busy} disabled={!would} onClick={() => void begin(file, false)}>
              {t('members.importNow', { count: would })}
            </Button>
          )}
          {ended && !run?.dry_run && (
            <Button look="primary" onClick={place.close}>
              {t('members.done')}
            </Button>
          )}
        </>
      }
    >
      <div className="hm-inside">
        <button
          type="button"
          className={`hm-drop${over ? ' hm-on' : ''}`}
          onClick={() => input.current?.click()}
          onDragOver={event => (event.preventDefault(), setOver(true))}
          onDragLeave={() => setOver(false)}
          onDrop={event => {
            event.preventDefault();
            setOver(false);
            choose(event.dataTransfer.files[0]);
          }}
        >
          <Icon name="upload" size={20} />
          <b>{file ? file.name : t('members.drop')}</b>
          <span className="hm-muted">{t('members.dropHint')}</span>
        </button>
        <input ref={input} type="file" accept=".csv,text/csv" hidden onChange={event => (choose(event.target.files?.[0]), (event.target.value = ''))} />
        {asks ? (
          <p className="hm-notice">
            <span className="hm-grow">{t('stepUp.again')}</span>
            <Button small onClick={() => void stepUp.ask().then(() => choose(file ?? undefined), () => undefined)}>
              {t('stepUp.confirm')}
            </Button>
          </p>
        ) : (
          <ErrorLine error={error ?? progress.error} />
        )}
        {run && !ended && (
          <div className="hm-progress" role="status">
            <Meter share={run.total ? run.done / run.total : 0} label={t('members.import')} />
            <span className="hm-muted">{t('members.lines', { done: run.done, total: run.total })}</span>
          </div>
        )}
        {run && ended && (
          <>
            <p className="hm-counts" role="status">
              <b>{run.dry_run ? t('members.tried') : t('members.imported')}</b>
              {OUTCOMES.map(outcome => (
                <span key={outcome} className={outcome === 'refused' && run.counts.refused ? 'hm-fail' : 'hm-muted'}>
                  {t(`members.outcome.${outcome}`)} {formatNumber(run.counts[outcome] ?? 0)}
                </span>
              ))}
            </p>
            {run.error && <p className="hm-fail">{run.error.detail ?? run.error.message}</p>}
            <Report id={run.id} />
          </>
        )}
      </div>
    </RecordPage>
  );
}

/** What became of each line; refused ones first, as they are what needs work. */
function Report({ id }: { id: number }): JSX.Element {
  const { client } = useFrame();
  const { query } = useScope();
  const lines = useQuery({
    queryKey: ['member_import', 'lines', id, query],
    queryFn: ({ signal }) => client.get<Line[]>(`/member-imports/${id}/lines`, { ...query, limit: LINES }, signal)
  });
  const ordered = [...(lines.data ?? [])].sort((a, b) => OUTCOMES.indexOf(b.outcome) - OUTCOMES.indexOf(a.outcome) || a.line - b.line);
  if (!ordered.length) {
    return <ErrorLine error={lines.error} />;
  }
  return (
    <table className="hm-plaintable">
      <thead>
        <tr>
          <th className="hm-num">{t('members.line')}</th>
          <th>{t('members.userName')}</th>
          <th>{t('members.outcome')}</th>
        </tr>
      </thead>
      <tbody>
        {ordered.map(one => (
          <tr key={one.line}>
            <td className="hm-num hm-muted">{one.line}</td>
            <td>
              <b>{one.name || '–'}</b>
            </td>
            <td>
              <span className={one.outcome === 'refused' ? 'hm-fail' : one.outcome === 'unchanged' ? 'hm-muted' : 'hm-run'}>{t(`members.outcome.${one.outcome}`)}</span>
              {one.problems.map(problem => (
                <div key={problem.field + problem.message} className="hm-sm">
                  {language() === 'zh' ? problem.message_zh : problem.message}
                </div>
              ))}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
