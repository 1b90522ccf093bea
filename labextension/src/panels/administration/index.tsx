/** Administration: one tab with its sections at the left, each shown by permission and behind the proof of presence. */
import { Suspense, type JSX } from 'react';
import { Button, IconButton } from '../../components/basics';
import { Empty, ErrorView, SkeletonPage } from '../../components/feedback';
import { Icon } from '../../components/icons';
import { LeaveGuard, useLeave } from '../../components/record/guard';
import { formatSpan } from '../../domain/format';
import { useTab } from '../../frame';
import { t } from '../../i18n';
import { useMe, useNow } from '../../queries/account';
import { standingOf, useStepUp } from '../../queries/standing';
import { SectionTab } from './place';
import { ScopeProvider } from './scope';
import { GROUPS, SECTIONS, permissionsOf, sectionsOf, type Section } from './sections';

export default function AdministrationPanel(): JSX.Element {
  return (
    <LeaveGuard>
      <Administration />
    </LeaveGuard>
  );
}

function Administration(): JSX.Element {
  const me = useMe();
  const tab = useTab();
  const leave = useLeave();
  if (me.error) {
    return <ErrorView error={me.error} onRetry={() => void me.refetch()} />;
  }
  if (!me.data) {
    return <SkeletonPage />;
  }
  const sections = sectionsOf(me.data);
  // A tab that was kept or handed on may name a section that these roles no longer open: said so, not replaced by another.
  const asked = SECTIONS.find(section => section.id === tab.args['view.section']);
  const current = asked ?? sections[0];
  if (!current || !sections.length) {
    return (
      <main className="hm-adminmain" aria-label={t('administration.title')}>
        <Empty icon="key" title={t('administration.none')}>
          {t('administration.noneHint')}
        </Empty>
      </main>
    );
  }
  const closed = !sections.includes(current);
  const locked = permissionsOf(current).every(permission => standingOf(me.data, permission) !== 'now');
  const go = (section: Section) =>
    section === current
      ? leave(() => tab.setView({ [`view.${section.id}.record`]: null, [`view.${section.id}.part`]: null }))
      : leave(() => tab.setView({ 'view.section': section.id }));
  return (
    <div className="hm-admin">
      <nav className="hm-adminnav" aria-label={t('administration.title')}>
        {GROUPS.map(group => {
          const inside = sections.filter(section => section.group === group);
          return (
            inside.length > 0 && (
              <section key={group}>
                <h2>{t(`administration.${group}`)}</h2>
                {inside.map(section => (
                  <button
                    key={section.id}
                    type="button"
                    className={section === current ? 'hm-on' : undefined}
                    aria-current={section === current ? 'page' : undefined}
                    onClick={() => go(section)}
                  >
                    <Icon name={section.icon} />
                    <span className="hm-ell">{t(section.title)}</span>
                  </button>
                ))}
              </section>
            )
          );
        })}
        <Presence />
      </nav>
      <main className="hm-adminmain" aria-label={t(current.title)}>
        {closed ? (
          <Empty icon="key" title={t('administration.closed')}>
            {t('administration.closedHint', { section: t(current.title) })}
          </Empty>
        ) : locked ? (
          <Locked />
        ) : (
          <ScopeProvider>
            <SectionTab section={current.id} key={current.id}>
              <Suspense fallback={<SkeletonPage />}>
                <current.Component />
              </Suspense>
            </SectionTab>
          </ScopeProvider>
        )}
      </main>
    </div>
  );
}

/** Administration asks for a proof of presence first, so that no cell of a notebook can administer. */
function Locked(): JSX.Element {
  const { ask, asking } = useStepUp();
  return (
    <Empty
      icon="key"
      title={t('stepUp.title')}
      action={
        <Button look="primary" icon="key" busy={asking} onClick={() => void ask().catch(() => undefined)}>
          {asking ? t('stepUp.waiting') : t('stepUp.confirm')}
        </Button>
      }
    >
      {t('stepUp.text')}
    </Empty>
  );
}

/** How long the proof still counts, with a way to renew it before it ends. */
function Presence(): JSX.Element | null {
  const { until, ask, asking } = useStepUp();
  const now = useNow(15_000);
  if (!until) {
    return null;
  }
  return (
    <p className="hm-presence">
      <Icon name="key" size={12} />
      <span className="hm-grow">{t('stepUp.left', { time: formatSpan(Math.max(0, (Date.parse(until) - now) / 1000)) })}</span>
      <IconButton icon="refresh" small label={t('stepUp.renew')} busy={asking} onClick={() => void ask().catch(() => undefined)} />
    </p>
  );
}
