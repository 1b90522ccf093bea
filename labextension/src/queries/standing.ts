/** What the person may do now, and what a proof of presence would add. Nothing else decides what is shown (UI-3). */
import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import type { Me } from '../api/types';
import { stepUp } from '../api/stepup';
import { useFrame } from '../frame';
import { useInstallation, useMe } from './account';
import { keys } from './keys';

/** `now`: at full reach; `after`: a step-up adds or widens it; `no`: not held. */
export type Standing = 'now' | 'after' | 'no';

export type ReachWord = 'own' | 'department' | 'organisation' | 'platform';

export function standingOf(me: Me | undefined, permission: string): Standing {
  if (!me) {
    return 'no';
  }
  if (permission in (me.with_step_up ?? {})) {
    return 'after';
  }
  return permission in me.permissions ? 'now' : 'no';
}

/** The reach a permission is held with, a step-up counted in. */
export const reachOf = (me: Me | undefined, permission: string): ReachWord | undefined =>
  (me?.with_step_up?.[permission] ?? me?.permissions[permission]) as ReachWord | undefined;

/** True when a permission reaches, or would after a step-up, beyond the person's own things. */
export function administers(me: Me | undefined, permission: string): boolean {
  const reach = reachOf(me, permission);
  return reach !== undefined && reach !== 'own';
}

export interface StepUpState {
  /** Until when the last proof counts; null without one. */
  until: string | null;
  /** True while its window is open. */
  asking: boolean;
  /** Opens the window; rejects when it is closed without a proof. Call it from a click. */
  ask: () => Promise<void>;
}

export function useStepUp(): StepUpState {
  const { client } = useFrame();
  const me = useMe();
  const installation = useInstallation();
  const queries = useQueryClient();
  const [asking, setAsking] = useState(false);
  const until = me.data?.step_up?.until ?? null;
  useEffect(() => {
    if (!until) {
      return;
    }
    const left = Math.max(1_000, Date.parse(until) - Date.now() + 500);
    const timer = setTimeout(() => void queries.invalidateQueries({ queryKey: keys.me }), left);
    return () => clearTimeout(timer);
  }, [until, queries]);
  const ask = async () => {
    const hub = installation.data?.hub_url;
    if (!hub) {
      throw new Error('no hub');
    }
    setAsking(true);
    try {
      await stepUp(client, hub);
      await queries.invalidateQueries();
    } finally {
      setAsking(false);
    }
  };
  return { until, asking, ask };
}
