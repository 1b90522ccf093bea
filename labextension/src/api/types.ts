/**
 * The shapes that travel between the panels and the platform, written after docs/design/wire.md.
 *
 * Units close the names: `_micros` is a millionth of the currency unit, `_bytes` bytes, `_at` an RFC 3339 moment in UTC.
 */

export type Moment = string;
export type Micros = number;

export interface Reference {
  id: number;
  name: string;
}

export interface ObjectReference extends Reference {
  kind: string;
}

/** What every object of a person carries. */
export interface Entity extends Reference {
  owner: Reference;
  department: Reference | null;
  created_at: Moment;
  updated_at: Moment;
  version: number;
}

export interface Page<T> {
  items: T[];
  next_cursor: string | null;
  total: number;
  /** True when `total` stopped counting at 10,000. */
  total_capped: boolean;
}

export interface FieldProblem {
  field: string;
  rule: string;
  value: unknown;
  message: string;
}

export interface Problem {
  type?: string;
  title: string;
  status: number;
  code: string;
  detail?: string | null;
  field?: string | null;
  rule?: string | null;
  value?: unknown;
  hint?: string | null;
  details?: ({ errors?: FieldProblem[] } & Record<string, unknown>) | null;
  request_id?: string | null;
}

export type TaskState = 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled';

export interface Task {
  id: number;
  kind: string;
  object: ObjectReference | null;
  state: TaskState;
  done: number;
  total: number | null;
  unit: 'items' | 'bytes';
  rate_per_second: number | null;
  remaining_seconds: number | null;
  message: string | null;
  result: Record<string, unknown> | null;
  error: Problem | null;
  created_at: Moment;
  started_at: Moment | null;
  ended_at: Moment | null;
}

export interface Resources {
  cpu_millis: number;
  memory_bytes: number;
  accelerators: Record<string, number>;
}

export type Phase =
  | 'waiting'
  | 'queued'
  | 'starting'
  | 'running'
  | 'stopping'
  | 'stopped'
  | 'succeeded'
  | 'failed'
  | 'timed_out';

export type Reason =
  | 'quota'
  | 'balance'
  | 'capacity'
  | 'image'
  | 'start_failed'
  | 'exit_code'
  | 'signal'
  | 'out_of_memory'
  | 'out_of_disk'
  | 'deadline'
  | 'stopped_by_user'
  | 'runner_lost'
  | 'not_ready'
  | 'arrears'
  | 'backend';

export interface Step {
  name: 'admitted' | 'scheduled' | 'image' | 'mounts' | 'server';
  state: 'waiting' | 'active' | 'done' | 'failed';
  detail: string | null;
  started_at: Moment | null;
  ended_at: Moment | null;
}

export interface Usage {
  sampled_at: Moment;
  cpu_percent: number;
  cpu_millis: number;
  memory_bytes: number;
  memory_limit_bytes: number;
  accelerators: Record<string, number>;
}

export interface Workload {
  id: number;
  kind: string;
  name: string;
  object: ObjectReference | null;
  phase: Phase;
  reason: Reason | null;
  message: string | null;
  phase_since: Moment | null;
  queue_position: number | null;
  /** By when it starts in half of the cases; null where too little is known. */
  expected_start_at: Moment | null;
  /** By when in nine of ten; with too little history by when deadlines alone make room. */
  expected_start_latest_at: Moment | null;
  attempt: number;
  replicas_ready: number;
  replicas_total: number;
  resources: Resources;
  price_per_hour_micros: Micros;
  cost_micros: Micros;
  steps: Step[];
  usage: Usage | null;
  created_at: Moment;
  started_at: Moment | null;
  ended_at: Moment | null;
  exit_code: number | null;
}

export interface LevelResource {
  resource: string;
  limit: number | null;
  used: number;
  available: number | null;
  after?: number | null;
}

export interface Level {
  level: 'user' | 'department' | 'tenant';
  name: string;
  resources: LevelResource[];
}

export type VerdictKind =
  | 'starts_now'
  | 'waits'
  | 'never_fits'
  | 'over_quota'
  | 'too_dear'
  | 'not_permitted';

export interface Verdict {
  verdict: VerdictKind;
  sentence: string;
  sentence_zh: string;
  resource: string | null;
  level: string | null;
  asked: number | null;
  used: number | null;
  limit: number | null;
  /** What the organisation has no quota of at all, so that nothing of it runs. */
  missing: string[];
  /** What the start would occupy, all replicas together. */
  uses: Record<string, number>;
  queue_position: number | null;
  /** By when it starts in half of the cases; null where too little is known. */
  expected_start_at: Moment | null;
  /** By when in nine of ten; with too little history by when deadlines alone make room. */
  expected_start_latest_at: Moment | null;
  price_per_hour_micros: Micros;
  hold_micros: Micros;
  balance_micros: Micros;
  levels: Level[];
}

// --- account and installation ---------------------------------------------------------------------------------

export interface Me {
  user: Reference & { display_name: string };
  tenant: Reference & { code: string };
  department: Reference | null;
  roles: string[];
  /** Permission name to the reach it is held with, e.g. `{"data.dataset.read": "own"}`. */
  permissions: Record<string, string>;
  /** What a step-up would add or widen. */
  with_step_up?: Record<string, string>;
  step_up: { until: Moment } | null;
  token: { kind: 'notebook' | 'workload' | 'api' | 'hub'; reach: string };
}

export interface Currency {
  code: string;
  symbol: string;
  digits: number;
}

export interface Installation {
  name: string;
  version: string;
  currency: Currency;
  isolation: 'full' | 'single_user' | 'unsafe';
  backend: 'local' | 'kubernetes';
  hub_url: string;
  api_url: string;
  features: string[];
}

/** What the server extension knows of the notebook server it runs in. */
export interface ServerContext {
  api_ready: boolean;
  hub_url: string | null;
  user: string | null;
  server_name: string | null;
  workload_id: number | null;
  language: string | null;
}

export interface Quota {
  levels: Level[];
}

export type Scenario = 'notebook' | 'training' | 'inference' | 'annotation' | 'visualisation' | 'any';

export interface ResourceSpec {
  id: number;
  name: string;
  /** Basic ones have CPU and memory; the others a count of one accelerator resource, added to a basic one. */
  kind: 'basic' | 'gpu' | 'gpu_mig' | 'npu' | 'vnpu';
  scenario: Scenario;
  resources: Resources;
  accelerator_label: string | null;
  price_per_hour_micros: Micros;
}

/** Any accelerators that suffice, in place of a named spec. */
export interface AcceleratorWish {
  count: number;
  /** At least this of each. */
  memory_bytes: number;
  /** One of these, such as `cuda` or `cann`; none is any. */
  frameworks: string[];
}

export interface AcceleratorOffer {
  spec: ResourceSpec;
  form: 'gpu' | 'mig' | 'slice' | 'npu' | 'vnpu' | 'other';
  framework: string;
  card: string;
  memory_bytes: number;
  verdict: Verdict;
}

/** What satisfies a wish, the best first; without any, why and what comes nearest. */
export interface AcceleratorAnswer {
  wish: AcceleratorWish;
  offers: AcceleratorOffer[];
  frameworks: string[];
  why: string;
  why_zh: string;
  problem: {
    field: string;
    rule: string;
    sentence: string;
    sentence_zh: string;
    hint: string;
    hint_zh: string;
    nearest: { id: number; name: string } | null;
  } | null;
}

export interface Environment {
  id: number;
  name: string;
  title: string;
  digest: string | null;
  state: 'ready' | 'building' | 'failed';
  python: string;
  packages: Record<string, string>;
  size_bytes: number;
  uses: string[];
  lock_url: string | null;
}

export interface ProfileOffer {
  spec: ResourceSpec;
  verdict: Verdict;
}

export interface SearchHit {
  kind: string;
  id: number;
  name: string;
  status: string | null;
}

export interface ApiToken {
  id: number;
  name: string;
  reach: string;
  permissions?: string[];
  prefix?: string;
  created_at: Moment;
  expires_at: Moment | null;
  token?: string;
}

// --- notebooks ------------------------------------------------------------------------------------------------

export interface Binding {
  kind: 'dataset_version' | 'model_version';
  id: number;
  version: string;
  name: string;
  path: string;
}

/** A profile of the hub's configuration as it was chosen; it may not be offered any longer. */
export interface ChosenProfile {
  slug: string;
  name: string;
  options: Record<string, string>;
}

export interface Notebook extends Entity {
  server_name: string;
  spec: ResourceSpec;
  environment: Reference & { title?: string };
  bindings: Binding[];
  profile: ChosenProfile | null;
  description: string;
  phase: Phase;
  reason: Reason | null;
  message: string | null;
  workload: Workload | null;
  url: string | null;
  cost_micros: Micros;
  stop_when_idle_seconds: number | null;
}

// --- data -----------------------------------------------------------------------------------------------------

export interface Label {
  id: number;
  name: string;
  colour: string;
  key: string | null;
}

export type DataKind = 'vision' | 'text' | 'audio';

export interface PresetLabels {
  preset: string;
  name: string;
  type: DataKind;
  description: string;
  labels: Omit<Label, 'id'>[];
}

export interface LabelGroup extends Entity {
  type: DataKind;
  description: string;
  labels: Label[];
  preset: boolean;
  used_by: number;
}

export type DatasetState =
  | 'not_sampled'
  | 'sampling'
  | 'sampling_failed'
  | 'not_annotated'
  | 'annotating'
  | 'auto_annotating'
  | 'auto_annotation_done'
  | 'annotated'
  | 'tracking'
  | 'tracked'
  | 'tracking_failed'
  | 'augmenting'
  | 'importing'
  | 'import_failed'
  | 'ready';

export interface Dataset extends Entity {
  data_type: 'image';
  annotation_type: 'classification';
  multi_label: boolean;
  label_group: Reference & { labels: Label[] };
  scenario: string | null;
  description: string;
  state: DatasetState;
  items: number;
  confirmed: number;
  open_items: number;
  /** Share of confirmed items, 0 to 1. */
  progress: number;
  bytes: number;
  current_version: string | null;
  latest_version: string | null;
  pinned: boolean;
  /** Path of a thumbnail that stands for the whole. */
  cover: string | null;
  task: Task | null;
}

export type ItemState = 'none' | 'unfinished' | 'automatic' | 'confirmed' | 'nothing_to_label';

export interface ItemLabel {
  label_id: number;
  name: string;
  colour: string;
  origin: 'person' | 'service' | 'import';
  by: string | null;
  score: number | null;
}

export interface Item {
  id: number;
  name: string;
  position: number;
  width: number;
  height: number;
  bytes: number;
  sha256: string;
  media_type: string;
  state: ItemState;
  labels: ItemLabel[];
  thumbnail: string;
  split?: 'train' | 'validation' | 'test' | null;
  version: number;
}

export interface Import {
  id: number;
  state: 'open' | 'finishing' | 'done' | 'cancelled';
  received: number;
  added: number;
  duplicates: number;
  refused: number;
  task: Task | null;
}

export interface FileResult {
  path: string;
  outcome: 'added' | 'duplicate' | 'refused';
  item: number | null;
  code: string | null;
  reason: string | null;
}

export interface RefusedFile {
  path: string;
  code: string;
  reason: string;
}

export type OperationKind = 'set_labels' | 'confirm' | 'reopen' | 'clear' | 'mark_nothing';

export interface Operation {
  seq: number;
  item: number;
  op: OperationKind;
  labels?: number[];
  base?: number[];
  at: Moment;
}

export interface OperationResult {
  seq: number;
  item: number;
  outcome: 'applied' | 'parked' | 'refused';
  reason: string | null;
  state: ItemState;
  labels: ItemLabel[];
  item_version: number;
}

export interface OperationAnswer {
  accepted_seq: number;
  results: OperationResult[];
}

export interface HistoryEntry {
  op: OperationKind;
  labels: ItemLabel[] | number[] | null;
  by: string | Reference | null;
  at: Moment;
}

export interface LabelCount {
  label_id: number;
  name: string;
  colour: string;
  count: number;
}

export interface SizeBucket {
  width: number;
  height: number;
  count: number;
}

export interface DatasetStatistics {
  by_state: Partial<Record<ItemState, number>>;
  items: number;
  by_label: LabelCount[];
  sizes: { width_height_buckets: SizeBucket[] };
  bytes: number;
  duplicates: number;
  damaged: number;
}

export interface Splits {
  train: number;
  validation: number;
  test: number;
}

export interface DatasetVersion {
  id: number;
  version: string;
  number: number;
  dataset: Reference;
  current: boolean;
  items: number;
  by_label: LabelCount[];
  by_state: Partial<Record<ItemState, number>>;
  unconfirmed: number;
  splits: {
    train: number | null;
    validation: number | null;
    test: number | null;
    state: 'pending' | 'ready';
    shares: Record<string, number>;
    seed: number;
  };
  digest: string | null;
  bytes: number;
  description: string;
  author: Reference;
  created_at: Moment;
}

export interface ComparedItem {
  item: number;
  name: string;
  change: 'added' | 'removed' | 'relabelled';
  before: ItemLabel[];
  after: ItemLabel[];
  thumbnail: string;
}

export interface VersionComparison {
  added: number;
  removed: number;
  relabelled: number;
  items: ComparedItem[];
  next_cursor: string | null;
}

// --- algorithms and training ----------------------------------------------------------------------------------

export interface AlgorithmParameter {
  name: string;
  type: 'int' | 'float' | 'bool' | 'choice' | 'str';
  default: unknown;
  minimum: number | null;
  maximum: number | null;
  choices: unknown[] | null;
  help: string;
}

export interface Algorithm {
  id: number;
  name: string;
  title: string;
  category: string;
  built_in: boolean;
  version: string;
  description: string;
  command: string;
  environment: string;
  parameters: AlgorithmParameter[];
  inputs: unknown[];
  outputs: unknown[];
}

export interface RunSummary {
  id: number;
  number: number;
  version: string;
  phase: Phase;
  reason: Reason | null;
  message: string | null;
  metrics_last?: Record<string, number>;
  progress?: { step: number; total: number | null } | null;
  cost_micros: Micros;
  created_at?: Moment;
}

export interface Job extends Entity {
  description: string;
  latest_run: RunSummary | null;
  runs: number;
}

export interface Run extends Entity {
  job: Reference;
  number: number;
  run_version?: string;
  phase: Phase;
  reason: Reason | null;
  message: string | null;
  workload: Workload | null;
  algorithm: (Reference & { title?: string; version?: string }) | null;
  environment: (Reference & { title?: string }) | string;
  dataset: (Reference & { version: string }) | null;
  validation: (Reference & { version: string }) | null;
  parameters: Record<string, unknown>;
  command: string;
  /** `resources` are those of both specs together. */
  spec: ResourceSpec & { accelerator_spec?: { id: number; name: string } | null };
  metrics_last: Record<string, number>;
  progress: { step: number; total: number | null } | null;
  cost_micros: Micros;
  model_version: { id: number; model: Reference; version: string } | null;
  notebook_source: boolean;
  exit_code: number | null;
  last_lines: string[];
}

export interface MetricSeries {
  name: string;
  /** Step, value, moment. */
  points: [number, number, Moment][];
}

export interface RunOutput {
  path: string;
  size: number;
  sha256: string;
}

export interface RunPreview {
  command: string;
  environment_variables: Record<string, string>;
  inputs: unknown[];
  verdict: Verdict;
}

// --- models and services --------------------------------------------------------------------------------------

export interface Model extends Entity {
  framework: string;
  format: string;
  category: string;
  description: string;
  versions: number;
  latest: string | null;
}

export interface ModelVersion {
  id: number;
  model: Reference;
  version: string;
  number: number;
  state: string;
  bytes: number;
  digest: string;
  files: { path: string; size: number; sha256: string }[];
  signature: { inputs: unknown; outputs: unknown } | null;
  labels: string[] | null;
  metrics: Record<string, number>;
  lineage: {
    run: Reference | null;
    job: Reference | null;
    algorithm: Reference | null;
    dataset: Reference | null;
    dataset_version: string | null;
    label_authors: string[];
  };
  aliases: string[];
  description: string;
  created_at: Moment;
}

export interface ServiceVariant {
  name: string;
  model: Reference & { version: string };
  weight_percent: number;
  spec: ResourceSpec;
  replicas: number;
  ready: number;
  workload: Workload | null;
}

export interface InferenceService extends Entity {
  framework: string;
  protocol: string;
  description: string;
  phase: 'deploying' | 'running' | 'stopping' | 'stopped' | 'failed';
  reason: Reason | null;
  message: string | null;
  variants: ServiceVariant[];
  revision: number;
  address: string;
  replicas_ready: number;
  replicas_total: number;
  calls_total: number;
  calls_failed: number;
  cost_micros: Micros;
  price_per_hour_micros: Micros;
}

export interface ServiceKey {
  id: number;
  name: string;
  prefix?: string;
  key?: string;
  created_at: Moment;
  expires_at: Moment | null;
  requests_per_minute: number | null;
}

export interface CallGuide {
  address: string;
  curl: string;
  python: string;
  javascript: string;
}

export interface Prediction {
  predictions: { label: string; score: number }[];
  model: string;
  version: string;
}

export interface Monitoring {
  requests: number;
  errors: number;
  latency_p50_ms: number | null;
  p95: number | null;
  p99: number | null;
  per_variant: Record<string, unknown>[] | Record<string, unknown>;
  series: Record<string, unknown>[];
}

// --- money ----------------------------------------------------------------------------------------------------

export interface Balance {
  balance_micros: Micros;
  held_micros: Micros;
  available_micros: Micros;
  burn_per_hour_micros: Micros;
  lasts_until: Moment | null;
  tenant: Reference | string;
  currency: Currency;
}

export interface BillLine {
  resource: string;
  quantity: number;
  unit: string;
  seconds: number;
  unit_price_micros: Micros;
  amount_micros: Micros;
}

export interface Bill {
  id: number;
  serial: string;
  kind: string;
  object: ObjectReference | null;
  tenant: Reference | string;
  department: Reference | null;
  user: Reference;
  created_at: Moment;
  started_at: Moment;
  ended_at: Moment | null;
  duration_seconds: number;
  resources: Resources;
  nodes: number;
  lines: BillLine[];
  total_micros: Micros;
  state: 'open' | 'settled';
}

export interface Posting {
  id: number;
  serial: string;
  at: Moment;
  type: 'recharge' | 'charge' | 'refund';
  amount_micros: Micros;
  balance_after_micros: Micros;
  note: string;
  user: Reference | null;
  bill: { id: number; serial: string } | null;
}

export interface Price {
  resource: string;
  section: string | null;
  price_micros_per_hour: Micros;
  from: Moment;
}

// --- events ---------------------------------------------------------------------------------------------------

export interface ChangeEvent {
  kind: string;
  id: number;
  version?: number;
  op: 'created' | 'updated' | 'deleted';
}
