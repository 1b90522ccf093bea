/** One vocabulary for the states of all kinds: which colour and icon a state has. The words are in the catalogues. */

export type Tone = 'run' | 'wait' | 'busy' | 'fail' | 'rest';

export interface StateLook {
  tone: Tone;
  icon: 'play' | 'check' | 'half' | 'ring' | 'arc' | 'warning' | 'stop' | 'pause';
}

const LOOKS: Record<string, StateLook> = {
  waiting: { tone: 'wait', icon: 'half' },
  queued: { tone: 'wait', icon: 'half' },
  starting: { tone: 'busy', icon: 'arc' },
  deploying: { tone: 'busy', icon: 'arc' },
  running: { tone: 'run', icon: 'play' },
  stopping: { tone: 'busy', icon: 'arc' },
  stopped: { tone: 'rest', icon: 'stop' },
  succeeded: { tone: 'run', icon: 'check' },
  failed: { tone: 'fail', icon: 'warning' },
  timed_out: { tone: 'fail', icon: 'warning' },
  cancelled: { tone: 'rest', icon: 'stop' },
  ready: { tone: 'run', icon: 'check' },
  pending: { tone: 'busy', icon: 'arc' },
  building: { tone: 'busy', icon: 'arc' },
  open: { tone: 'busy', icon: 'arc' },
  settled: { tone: 'rest', icon: 'check' },
  covered: { tone: 'run', icon: 'check' },
  // datasets
  not_sampled: { tone: 'rest', icon: 'ring' },
  sampling: { tone: 'busy', icon: 'arc' },
  sampling_failed: { tone: 'fail', icon: 'warning' },
  not_annotated: { tone: 'rest', icon: 'ring' },
  annotating: { tone: 'wait', icon: 'half' },
  auto_annotating: { tone: 'busy', icon: 'arc' },
  auto_annotation_done: { tone: 'wait', icon: 'half' },
  annotated: { tone: 'run', icon: 'check' },
  tracking: { tone: 'busy', icon: 'arc' },
  tracked: { tone: 'run', icon: 'check' },
  tracking_failed: { tone: 'fail', icon: 'warning' },
  augmenting: { tone: 'busy', icon: 'arc' },
  importing: { tone: 'busy', icon: 'arc' },
  import_failed: { tone: 'fail', icon: 'warning' },
  // items
  none: { tone: 'rest', icon: 'ring' },
  unfinished: { tone: 'wait', icon: 'half' },
  automatic: { tone: 'busy', icon: 'half' },
  confirmed: { tone: 'run', icon: 'check' },
  nothing_to_label: { tone: 'rest', icon: 'check' }
};

const UNKNOWN: StateLook = { tone: 'rest', icon: 'ring' };

export const stateLook = (state: string): StateLook => LOOKS[state] ?? UNKNOWN;

const ENDED = new Set(['stopped', 'succeeded', 'failed', 'timed_out', 'cancelled']);

/** True when a workload or task will not change any more by itself. */
export const hasEnded = (state: string): boolean => ENDED.has(state);
