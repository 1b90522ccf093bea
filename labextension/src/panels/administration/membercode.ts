/** What the page of a member does, as code; kept beside it so that they change together. */
import type { CodeForms } from '../../components/ascode';
import type { Member } from './collections';

const API = '/services/himalia/api/v1';

/** `organisation`: the code of the member's organisation where it is not one's own; then it is named. */
export function memberCode(member: Pick<Member, 'id' | 'name'>, organisation: string | null): CodeForms {
  const [argument, option, query] = organisation ? [`, organisation="${organisation}"`, ` --organisation ${organisation}`, `?organisation=${organisation}`] : ['', '', ''];
  const actions = ['disable', 'enable', 'unlock', 'reset-second-factor'];
  return {
    python: [
      'import himalia',
      '',
      'with himalia.Client() as client:',
      `    member = client.admin.members.get("${member.name}"${argument})`,
      '    print(member.roles, member.second_factors())',
      '    # member.disable(), .enable(), .unlock(), .reset_second_factor()'
    ].join('\n'),
    cli: actions.map(action => `himalia members ${action} ${member.name}${option}`).join('\n'),
    http: [`GET ${API}/members/${member.id}${query}`, `GET ${API}/members/${member.id}/second-factor${query}`, `DELETE ${API}/members/${member.id}/second-factor${query}`].join('\n')
  };
}
