/** Starts a stopped notebook with another profile: by wish, or because its own is not offered any longer (NB-3). */
import type { JSX } from 'react';
import type { Notebook } from '../../api/types';
import { Dialog } from '../../components/dialog';
import { ErrorView, SkeletonRows } from '../../components/feedback';
import { ProfileFields, useProfileChoice } from '../../components/profilefields';
import { t } from '../../i18n';
import { useProfiles, useStartWithProfile } from '../../queries/profiles';

export function OtherProfile({ notebook, onClose }: { notebook: Notebook; onClose: () => void }): JSX.Element {
  const profiles = useProfiles();
  const offered = profiles.data ?? [];
  const choice = useProfileChoice(offered, notebook.profile);
  const start = useStartWithProfile(onClose);
  const gone = notebook.profile && !offered.some(one => one.slug === notebook.profile?.slug);
  return (
    <Dialog
      title={t('notebook.start', { name: notebook.name })}
      accept={t('action.start')}
      busy={start.isPending}
      disabled={!choice.profile || !choice.complete}
      error={start.error}
      onAccept={() => start.mutate({ notebook, body: choice.body })}
      onClose={onClose}
    >
      {profiles.error ? (
        <ErrorView error={profiles.error} onRetry={() => void profiles.refetch()} />
      ) : profiles.data ? (
        <>
          {gone && <p className="hm-fail">{t('profile.gone', { profile: notebook.profile?.name ?? '' })}</p>}
          <ProfileFields profiles={offered} choice={choice} error={start.error} />
        </>
      ) : (
        <SkeletonRows />
      )}
    </Dialog>
  );
}
