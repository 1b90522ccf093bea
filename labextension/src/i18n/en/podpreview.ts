/** The preview of what a start would make. */
export const podpreview = {
  'podpreview.explain': 'What a notebook of this size would be, drawn by the hub with its configuration. Nothing is made; secrets are masked.',
  'podpreview.explainLocal': 'This installation runs notebooks in sandboxes of one machine; this is the sandbox of this size.',
  'podpreview.hooks': 'Not run for this, because they act: {names}.',
  'podpreview.open': 'Show the pod',
  'podpreview.profile': 'Profile',
  'podpreview.profileDefault': 'The default one',
  'podpreview.title': 'What a start would make'
} as const;
