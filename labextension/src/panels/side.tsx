/** The side panel: search everything, what runs now and costs, tasks, navigation by permission, balance and quota. */
import { useQuery } from '@tanstack/react-query';
import { useEffect, useRef, useState, useSyncExternalStore, type JSX, type KeyboardEvent } from 'react';
import type { Level, LevelResource, Page, SearchHit, Task, Workload } from '../api/types';
import { IconButton, Kbd, Meter, stateWords } from '../components/basics';
import { ErrorLine } from '../components/feedback';
import { Icon, type IconName } from '../components/icons';
import { progressShort, taskProgress, taskShare } from '../components/progress';
import { queueWords } from '../components/queueline';
import { resourceName, resourcePair } from '../components/verdict';
import { formatElapsed, formatMoney, formatNumber, formatPercent, formatSpan, secondsSince } from '../domain/format';
import { hasEnded, stateLook } from '../domain/state';
import { useFrame } from '../frame';
import { t, tValue } from '../i18n';
import {
  stopPath,
  stopPermission,
  useBalance,
  useCan,
  useCancelTask,
  useInstallation,
  useMe,
  useNow,
  useQuota,
  useRunning,
  useSearch,
  useSettled,
  useStopWork,
  useTasks
} from '../queries/account';
import { keys } from '../queries/keys';
import { administers } from '../queries/standing';
import type { NavigationSection, PanelDefinition } from './registry';

const KIND_ICON: Record<string, IconName> = {
  notebook: 'notebook',
  run: 'curve',
  service_variant: 'pulse',
  inference_service: 'pulse',
  dataset: 'dataset',
  label_group: 'label',
  model: 'cube',
  model_version: 'cube',
  job: 'curve',
  bill: 'wallet'
};

export const kindIcon = (kind: string): IconName => KIND_ICON[kind] ?? 'layers';

export function SidePanel({ searchAsked }: { searchAsked: number }): JSX.Element {
  useInstallation();
  const [text, setText] = useState('');
  const me = useMe();
  return (
    <div className="hm-side">
      <Search asked={searchAsked} text={text} onText={setText} />
      {me.error && <ErrorLine error={me.error} />}
      {text.trim() ? null : (
        <>
          <Running />
          <Navigation />
          <Remaining />
        </>
      )}
    </div>
  );
}

function Search(props: { asked: number; text: string; onText: (text: string) => void }): JSX.Element {
  const { text, onText } = props;
  const input = useRef<HTMLInputElement>(null);
  const [at, setAt] = useState(0);
  const hits = useSearch(useSettled(text, 150));
  const openHit = useOpenHit();
  useEffect(() => {
    if (props.asked) {
      input.current?.focus();
      input.current?.select();
    }
  }, [props.asked]);
  const found = text.trim() ? (hits.data ?? []) : [];
  const choose = (hit: SearchHit | undefined) => {
    if (hit) {
      openHit(hit.kind, hit.id);
      onText('');
    }
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && found.length) {
      setAt((at + step + found.length) % found.length);
    } else if (event.key === 'Enter') {
      choose(found[at]);
    } else if (event.key === 'Escape') {
      onText('');
    } else {
      return;
    }
    event.preventDefault();
  };
  return (
    <div className="hm-find" role="search">
      <label>
        <Icon name="search" />
        <input
          ref={input}
          value={text}
          placeholder={t('search.title')}
          aria-label={t('search.title')}
          role="combobox"
          aria-expanded={found.length > 0}
          aria-controls="hm-hits"
          aria-activedescendant={found.length ? `hm-hit-${at}` : undefined}
          onChange={event => (onText(event.target.value), setAt(0))}
          onKeyDown={onKeyDown}
        />
        {!text && <Kbd>Ctrl K</Kbd>}
      </label>
      {text.trim() && (
        <ul id="hm-hits" role="listbox" aria-label={t('search.title')}>
          {found.map((hit, index) => (
            <li
              key={`${hit.kind}-${hit.id}`}
              id={`hm-hit-${index}`}
              role="option"
              aria-selected={index === at}
              className={index === at ? 'hm-on' : undefined}
              onPointerEnter={() => setAt(index)}
              onClick={() => choose(hit)}
            >
              <Icon name={kindIcon(hit.kind)} />
              <span className="hm-ell hm-grow">{hit.name}</span>
              <span className="hm-muted hm-sm">{tValue('kind', hit.kind)}</span>
            </li>
          ))}
          {hits.data && !found.length && !hits.isFetching && (
            <li className="hm-muted" role="option" aria-selected="false">
              {t('search.empty', { query: text.trim() })}
            </li>
          )}
        </ul>
      )}
    </div>
  );
}

/** Opens the panel of an object, when one of ours shows its kind. */
export function useOpenHit(): (kind: string, id: number) => void {
  const { panels, open } = useFrame();
  return (kind, id) => {
    const definition = panels.forKind(kind);
    if (definition) {
      open(definition.panel, { id });
    }
  };
}

function Running(): JSX.Element | null {
  const running = useRunning();
  const now = useNow();
  const tasks = useTasks(now);
  const work = running.data ?? [];
  const perHour = work.reduce((sum, one) => sum + one.price_per_hour_micros, 0);
  if (!work.length && !tasks.length) {
    return running.data ? (
      <section className="hm-now">
        <p className="hm-muted hm-sm">{t('side.nothingRuns')}</p>
      </section>
    ) : null;
  }
  return (
    <section className="hm-now" aria-label={t('side.now')}>
      <h2>
        {t('side.now')}
        <span className="hm-grow" />
        {perHour > 0 && ` ${t('money.perHour', { money: formatMoney(perHour) })}`}
      </h2>
      {work.map(one => (
        <WorkRow key={one.id} workload={one} now={now} />
      ))}
      {tasks.map(task => (
        <TaskRow key={task.id} task={task} />
      ))}
    </section>
  );
}

function WorkRow({ workload, now }: { workload: Workload; now: number }): JSX.Element {
  const can = useCan();
  const stop = useStopWork();
  const openHit = useOpenHit();
  const object = workload.object;
  const kind = object?.kind ?? workload.kind;
  const tone = `hm-${stateLook(workload.phase).tone}`;
  const many = workload.replicas_total > 1 || kind === 'inference_service' || kind === 'service_variant';
  const words =
    many && workload.phase === 'running'
      ? t('side.ready', { ready: workload.replicas_ready, total: workload.replicas_total })
      : stateWords(workload.phase);
  const since = workload.started_at ?? workload.created_at;
  return (
    <div className="hm-nowrow">
      <Icon name={kindIcon(kind)} className={tone} />
      <button type="button" className="hm-nm hm-ell" onClick={() => object && openHit(object.kind, object.id)}>
        {object?.name ?? workload.name}
      </button>
      <span className={`${tone} hm-sm`} title={workload.message ?? undefined}>
        {words}
      </span>
      <span className="hm-l2">
        <span className="hm-ell">
          {queueWords(workload, now) || formatElapsed(secondsSince(since, now))}
        </span>
        <span>{t('money.perHour', { money: formatMoney(workload.price_per_hour_micros) })}</span>
      </span>
      {stopPath(workload) && can(stopPermission(workload)) && (
        <IconButton
          icon="stop"
          small
          label={t('side.stop', { name: object?.name ?? workload.name })}
          busy={stop.isPending}
          disabled={workload.phase === 'stopping'}
          onClick={() => stop.mutate(workload)}
        />
      )}
    </div>
  );
}

function TaskRow({ task }: { task: Task }): JSX.Element {
  const cancel = useCancelTask();
  const openHit = useOpenHit();
  const name = task.object?.name ?? tValue('task', task.kind);
  const ended = hasEnded(task.state);
  const state = task.state === 'failed' ? 'hm-fail' : ended ? 'hm-run' : 'hm-busy';
  return (
    <div className="hm-nowrow">
      <Icon name={task.kind.includes('import') ? 'download' : 'tasks'} className={state} />
      <button
        type="button"
        className="hm-nm hm-ell"
        onClick={() => task.object && openHit(task.object.kind, task.object.id)}
      >
        {name}
      </button>
      <span className={`${state} hm-sm`}>
        {ended ? stateWords(task.state) : task.total ? formatPercent(taskShare(task)) : stateWords(task.state)}
      </span>
      <span className="hm-l2">
        <span className="hm-ell">
          {ended ? tValue('task', task.kind) : progressShort(taskProgress(task))}
        </span>
      </span>
      {!ended && (
        <IconButton icon="close" small label={t('progress.cancel', { name })} onClick={() => cancel.mutate(task.id)} />
      )}
      {!ended && <Meter share={taskShare(task)} label={name} className="hm-l3" />}
    </div>
  );
}

const SECTIONS: readonly NavigationSection[] = ['data', 'develop', 'train', 'serve', 'money', 'admin'];

function Navigation(): JSX.Element {
  const { panels } = useFrame();
  const can = useCan();
  const me = useMe();
  const entries = panels
    .all()
    .filter(one => one.navigation && can(one.navigation.permission))
    .filter(one => one.navigation?.administers?.some(permission => administers(me.data, permission)) ?? true);
  return (
    <nav className="hm-nav" aria-label={t('side.navigation')}>
      {SECTIONS.map(section => {
        const inside = entries
          .filter(one => one.navigation?.section === section)
          .sort((a, b) => (a.navigation?.rank ?? 0) - (b.navigation?.rank ?? 0));
        return (
          inside.length > 0 && (
            <section key={section}>
              <h3>{t(`nav.${section}`)}</h3>
              <div>
                {inside.map(one => (
                  <NavigationLink key={one.panel} definition={one} />
                ))}
              </div>
            </section>
          )
        );
      })}
    </nav>
  );
}

function NavigationLink({ definition }: { definition: PanelDefinition }): JSX.Element {
  const { client, open, panels } = useFrame();
  const current = useSyncExternalStore(panels.onCurrent, () => panels.current);
  const path = definition.navigation?.countPath;
  const kind = path?.slice(1).replaceAll('-', '_').replace(/s$/, '') ?? definition.panel;
  const total = useQuery({
    queryKey: keys.list(kind, { count: true }),
    queryFn: async ({ signal }) => (await client.get<Page<unknown>>(path ?? '', { limit: 1 }, signal)).total,
    enabled: !!path
  });
  return (
    <button
      type="button"
      className={current === definition.panel ? 'hm-on' : undefined}
      aria-current={current === definition.panel ? 'page' : undefined}
      onClick={() => open(definition.panel)}
    >
      <Icon name={definition.icon} />
      <span className="hm-ell">{t(definition.title)}</span>
      {total.data !== undefined && <span className="hm-c">{formatNumber(total.data)}</span>}
    </button>
  );
}

const LONG_SECONDS = 5 * 365 * 86_400;
const SHOWN = ['cpu', 'memory', 'nvidia', 'gpu', 'storage'];

/** For each resource the level that leaves least: that is the one that will say no. */
export function tightest(levels: readonly Level[]): LevelResource[] {
  const found = new Map<string, LevelResource>();
  for (const one of levels.flatMap(level => level.resources)) {
    const known = found.get(one.resource);
    const left = (limited: LevelResource) => limited.available ?? (limited.limit ?? 0) - limited.used;
    if (one.limit !== null && one.limit > 0 && (!known || left(one) < left(known))) {
      found.set(one.resource, one);
    }
  }
  return [...found.values()];
}

function Remaining(): JSX.Element {
  const balance = useBalance();
  const quota = useQuota();
  const resources = tightest(quota.data?.levels ?? []).filter(one => SHOWN.some(name => one.resource.includes(name)));
  const until = balance.data?.lasts_until;
  const left = until ? Math.max(0, (Date.parse(until) - Date.now()) / 1000) : null;
  return (
    <footer className="hm-foot">
      {balance.data && (
        <div className="hm-bal">
          <Icon name="wallet" />
          <b>{formatMoney(balance.data.available_micros)}</b>
          <span className="hm-grow" />
          <span className="hm-muted hm-sm">
            {left === null || left > LONG_SECONDS
              ? balance.data.burn_per_hour_micros
                ? ''
                : t('side.lastsLong')
              : t('side.lastsAbout', { time: formatSpan(left) })}
          </span>
        </div>
      )}
      {balance.error && <ErrorLine error={balance.error} />}
      {resources.map(one => (
        <div className="hm-q" key={one.resource}>
          <span>{resourceName(one.resource)}</span>
          <Meter
            share={one.limit ? one.used / one.limit : 0}
            high={!!one.limit && one.used / one.limit > 0.9}
            label={resourceName(one.resource)}
          />
          <span className="hm-num">
            {resourcePair(one.resource, one.used, one.limit ?? 0)}
          </span>
        </div>
      ))}
    </footer>
  );
}
