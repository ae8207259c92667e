# The script that tlsrunbook runs on a server: it reads numbered requests from stdin, runs cmdlets that are named with
# their parameters as data, and writes marked answers. tlsrunbook/exchange/frames.py describes the lines.
#
# Windows PowerShell 2.0 to 5.1. The automatic variable for pipeline input must not appear in here: powershell.exe would
# then take stdin for itself. Comment lines, blank lines and indentation are dropped before the script is sent.
param($reader)

$ProgressPreference = 'SilentlyContinue'
$ErrorActionPreference = 'Stop'
Add-Type -AssemblyName System.Web.Extensions
$json = New-Object Web.Script.Serialization.JavaScriptSerializer
$json.MaxJsonLength = [int]::MaxValue
$writer = New-Object IO.StreamWriter([Console]::OpenStandardOutput(), (New-Object Text.UTF8Encoding($false)))
$modern = $PSVersionTable.PSVersion.Major -ge 3

# All patterns, because Import-PSSession takes a plain name that a server does not have for an error.
$cmdlets = '*-ExchangeCertificate', '*-SendConnector', '*-ReceiveConnector', '*-EdgeS*', 'Get-AcceptedDomain*',
    'Get-ExchangeServer*', 'Get-TransportS*'

# --- Certificate stores -----------------------------------------------------------------------------------------------

function Open-Store([string]$Name, [string]$Mode) {
    $store = New-Object Security.Cryptography.X509Certificates.X509Store($Name, 'LocalMachine')
    $store.Open("$Mode, OpenExistingOnly")
    $store
}

function New-Certificate([byte[]]$Bytes) {
    New-Object Security.Cryptography.X509Certificates.X509Certificate2 -ArgumentList (, $Bytes)
}

function Get-StoreCertificate {
    [CmdletBinding()]
    param([Parameter(Mandatory = $true)][string]$StoreName)
    $ErrorActionPreference = 'Stop'
    $store = Open-Store $StoreName 'ReadOnly'
    try { foreach ($certificate in $store.Certificates) { $certificate } } finally { $store.Close() }
}

function Add-StoreCertificate {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory = $true)][string]$StoreName,
        [Parameter(Mandatory = $true)][byte[]]$RawData
    )
    $ErrorActionPreference = 'Stop'
    $certificate = New-Certificate $RawData
    $store = Open-Store $StoreName 'ReadWrite'
    try { $store.Add($certificate) } finally { $store.Close() }
}

function Remove-StoreCertificate {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory = $true)][string]$StoreName,
        [Parameter(Mandatory = $true)][string]$Thumbprint
    )
    $ErrorActionPreference = 'Stop'
    $store = Open-Store $StoreName 'ReadWrite'
    try {
        foreach ($certificate in $store.Certificates.Find('FindByThumbprint', $Thumbprint, $false)) {
            $store.Remove($certificate)
        }
    } finally { $store.Close() }
}

# --- Files ------------------------------------------------------------------------------------------------------------

# Exchange 2007 writes a CSR to a file and reads a certificate from one. They lie beside Exchange, where administrators
# alone may write and nothing is swept away, under names that nobody else uses. No other file is read or written.

function Test-OwnFile([string]$Path) {
    [IO.Path]::GetDirectoryName($Path) -eq $install.TrimEnd('\') -and
        [IO.Path]::GetFileName($Path) -cmatch '^tlsrunbook-[0-9a-f]{16}\.(cer|req)\z'
}

function Assert-OwnFile([string]$Path) {
    if (-not (Test-OwnFile $Path)) { throw "$Path is not a file of the runbook." }
}

function Get-ServerFile {
    [CmdletBinding()]
    param([Parameter(Mandatory = $true)][string]$Folder)
    $ErrorActionPreference = 'Stop'
    foreach ($path in [IO.Directory]::GetFiles($Folder, 'tlsrunbook-*')) {
        if (Test-OwnFile $path) {
            New-Object PSObject -Property @{ 'Path' = $path; 'Data' = [IO.File]::ReadAllBytes($path) }
        }
    }
}

function Set-ServerFile {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory = $true)][string]$Path,
        [Parameter(Mandatory = $true)][byte[]]$Data
    )
    $ErrorActionPreference = 'Stop'
    Assert-OwnFile $Path
    [IO.File]::WriteAllBytes($Path, $Data)
}

function Remove-ServerFile {
    [CmdletBinding()]
    param([Parameter(Mandatory = $true)][string]$Path)
    $ErrorActionPreference = 'Stop'
    Assert-OwnFile $Path
    [IO.File]::Delete($Path)
}

# --- Values up: typed data to parameters ------------------------------------------------------------------------------

# Letter by letter, because module logging would write what ConvertTo-SecureString is given.
function New-SecureText([string]$Text) {
    $secure = New-Object Security.SecureString
    foreach ($letter in $Text.ToCharArray()) { $secure.AppendChar($letter) }
    $secure
}

function Get-Bound($Command) {
    $bound = @{}
    foreach ($parameter in $Command['parameters']) {
        $name = $parameter['name']
        $value = $parameter['value']
        switch ($parameter['type']) {
            'string' { $bound[$name] = [string]$value }
            'bool' { $bound[$name] = [bool]$value }
            'int' { $bound[$name] = $value }
            'bytes' { $bound[$name] = [Convert]::FromBase64String($value) }
            'strings' { $bound[$name] = [string[]]$value }
            'null' { $bound[$name] = $null }
            'secure' { $bound[$name] = New-SecureText $value }
            default { throw "The parameter $name has an unknown type." }
        }
    }
    $bound
}

# --- Values down: objects to text -------------------------------------------------------------------------------------

function Format-Value($Value) {
    if ($Value -is [DateTime]) {
        $invariant = [Globalization.CultureInfo]::InvariantCulture
        return $Value.ToUniversalTime().ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", $invariant)
    }
    [string]$Value
}

function Format-Property($Value) {
    if ($null -eq $Value) { return $null }
    if ($Value -is [byte[]]) { return [Convert]::ToBase64String($Value) }
    if ($Value -is [Collections.IEnumerable] -and $Value -isnot [string]) {
        return , @(foreach ($item in $Value) { Format-Value $item })
    }
    Format-Value $Value
}

# Over remoting a certificate may come as its bytes alone; .NET on this server still spells issuer and subject.
function Get-TlsCertificateName($Object) {
    $certificate = $Object
    if ($null -eq $Object.Issuer -and $Object.RawData -is [byte[]]) { $certificate = New-Certificate $Object.RawData }
    if ($null -ne $certificate.Issuer -and $null -ne $certificate.Subject) {
        "<I>$($certificate.Issuer)<S>$($certificate.Subject)"
    }
}

# A property that is not there, or whose getter throws, is left out: unknown is not empty.
function Get-Row($Object, $Select) {
    if ($Object -is [string] -or $Object -is [ValueType]) { return @{ 'Value' = (Format-Value $Object) } }
    $row = @{}
    foreach ($name in $Select) {
        try {
            $property = $Object.PSObject.Properties[$name]
            if ($null -ne $property) {
                $row[$name] = Format-Property $property.Value
            } elseif ($name -eq 'TlsCertificateName') {
                $spelled = Get-TlsCertificateName $Object
                if ($spelled) { $row[$name] = $spelled }
            }
        } catch { $row.Remove($name) }
    }
    $row
}

function Get-Fault($Record) {
    if ($Record.Exception -is [Management.Automation.ActionPreferenceStopException]) {
        $Record = $Record.Exception.ErrorRecord
    }
    $kind = $Record.Exception.GetType().FullName
    $remote = $Record.Exception.SerializedRemoteException
    if ($remote) { $kind = $remote.PSObject.TypeNames[0] -replace '^Deserialized\.', '' }
    $target = [string]$Record.TargetObject
    if ($target.Length -gt 300) { $target = $target.Substring(0, 300) }
    @{
        'message' = [string]$Record.Exception.Message
        'kind' = [string]$kind
        'category' = [string]$Record.CategoryInfo.Category
        'error_id' = [string]$Record.FullyQualifiedErrorId
        'target' = $target
    }
}

# JSON in plain ASCII. PowerShell's own writer is missing in 2.0, and the serializer trips over wrapped objects.
function Format-Json($Value) {
    if ($null -eq $Value) { return 'null' }
    if ($Value -is [bool]) { return ([string]$Value).ToLowerInvariant() }
    if ($Value -is [int]) { return [string]$Value }
    if ($Value -is [Collections.IDictionary]) {
        $members = @(foreach ($key in $Value.Keys) { (Format-Json $key) + ':' + (Format-Json ($Value[$key])) })
        return '{' + ($members -join ',') + '}'
    }
    if ($Value -is [Collections.IList]) {
        return '[' + (@(foreach ($item in $Value) { Format-Json $item }) -join ',') + ']'
    }
    $escape = [Text.RegularExpressions.MatchEvaluator] { '\u{0:x4}' -f [int][char]$args[0].Value }
    '"' + [regex]::Replace([string]$Value, '[^ !#-\[\]-~]', $escape) + '"'
}

function Format-Answer($Id, $Result) {
    $body = Format-Json @{
        'id' = $Id
        'ok' = ($Result['errors'].Count -eq 0)
        'objects' = $Result['objects']
        'warnings' = $Result['warnings']
        'errors' = $Result['errors']
    }
    '#<' + $nonce + ' ' + [Convert]::ToBase64String([Text.Encoding]::ASCII.GetBytes($body)) + '>#'
}

function New-Result {
    @{
        'objects' = (New-Object Collections.ArrayList)
        'warnings' = (New-Object Collections.ArrayList)
        'errors' = (New-Object Collections.ArrayList)
    }
}

# --- Running ----------------------------------------------------------------------------------------------------------

# PowerShell 2.0 cannot parse the redirection of warnings, so there they are collected by a common parameter.
$pipeline = '. { if ($tail) { & $head @first | & $tail @second } else { & $head @first } } 2>&1'
if ($modern) { $pipeline += ' 3>&1' }
$pipeline = [ScriptBlock]::Create($pipeline)

function Invoke-Pipeline($Request, $Result) {
    $names = @(foreach ($command in $Request['commands']) { $command['name'] })
    foreach ($name in $names) {
        if ($name -cnotmatch '^[A-Za-z]+-[A-Za-z]+\z') { throw "'$name' is not a cmdlet's name." }
    }
    $head = $names[0]
    $tail = $names[1]
    $first = Get-Bound $Request['commands'][0]
    $second = @{}
    if ($tail) { $second = Get-Bound $Request['commands'][1] }
    $warned = New-Object Collections.ArrayList
    if (-not $modern) { foreach ($bound in $first, $second) { $bound['WarningVariable'] = '+warned' } }
    $seen = New-Object Collections.ArrayList
    $ErrorActionPreference = 'Continue'
    try { . $pipeline | ForEach-Object { [void]$seen.Add($_) } } catch { [void]$seen.Add($_) }
    foreach ($warning in $warned) { [void]$Result['warnings'].Add([string]$warning) }
    foreach ($item in $seen) {
        if ($item -is [Management.Automation.ErrorRecord]) {
            [void]$Result['errors'].Add((Get-Fault $item))
        } elseif ($item -is [Management.Automation.WarningRecord]) {
            [void]$Result['warnings'].Add([string]$item.Message)
        } elseif ($null -ne $item) {
            [void]$Result['objects'].Add((Get-Row $item $Request['select']))
        }
    }
}

# --- Loading Exchange -------------------------------------------------------------------------------------------------

# Exchange's own script, in a scope of its own. It may complain about the console that is not there: a warning, as what
# counts is whether the cmdlets are there afterwards.
function Import-Shell([string]$Path) {
    $script = Join-Path $install $Path
    if (-not (Test-Path $script)) { return }
    try { $null = & { $ErrorActionPreference = 'Continue'; . $script } } catch {
        [void]$result['warnings'].Add("$script stopped: $($_.Exception.Message)")
    }
}

# Script blocks, to be dot-sourced, because what they find out is needed later.

$findExchange = {
    $install = $env:ExchangeInstallPath
    foreach ($key in 'ExchangeServer\v15', 'ExchangeServer\v14', 'Exchange') {
        $setup = Get-ItemProperty "HKLM:\SOFTWARE\Microsoft\$key\Setup" -ErrorAction SilentlyContinue
        if (-not $install -and $setup) { $install = $setup.MsiInstallPath }
    }
    if (-not $install) { throw 'Exchange is not installed on this server.' }
    $edge = $false
    foreach ($key in 'ExchangeServer\v15', 'ExchangeServer\v14', 'Exchange\v8.0') {
        if (Test-Path "HKLM:\SOFTWARE\Microsoft\$key\EdgeTransportRole") { $edge = $true }
    }
    if ((Get-ExecutionPolicy) -eq 'Restricted') { Set-ExecutionPolicy RemoteSigned -Scope Process -Force }
}

$loadSnapIn = {
    foreach ($suffix in 'SnapIn', 'E2010', 'Admin') {
        $snapIn = "Microsoft.Exchange.Management.PowerShell.$suffix"
        if (Get-PSSnapin -Registered -Name $snapIn -ErrorAction SilentlyContinue) {
            Add-PSSnapin $snapIn
            break
        }
    }
    if ($edge) { Import-Shell 'bin\Exchange.ps1' }
}

# The credential is given anew, because a WinRM logon cannot be passed on from here. Exchange's remote endpoint takes
# plain HTTP from its own server; Kerberos seals it.
$connect = {
    $names = [Net.NetworkInformation.IPGlobalProperties]::GetIPGlobalProperties()
    $uri = 'http://' + ($names.HostName + '.' + $names.DomainName).TrimEnd('.') + '/PowerShell/'
    if ($session) { Remove-PSSession $session -ErrorAction SilentlyContinue }
    $session = New-PSSession -ConfigurationName Microsoft.Exchange -ConnectionUri $uri -Authentication Kerberos `
        -Credential $credential
    $null = Import-PSSession $session -CommandName $cmdlets -AllowClobber -WarningAction SilentlyContinue
}

# RemoteExchange.ps1 loads the types without which certificates would come back as bare bytes.
$loadRemote = {
    Import-Shell 'bin\RemoteExchange.ps1'
    $secure = New-SecureText $request['password']
    $credential = New-Object Management.Automation.PSCredential($request['user'], $secure)
    . $connect
}

$openExchange = {
    . $findExchange
    $remoting = Test-Path (Join-Path $install 'bin\RemoteExchange.ps1')
    if ($remoting -and -not $edge) { . $loadRemote } else { . $loadSnapIn }
    if (-not (Get-Command Get-ExchangeCertificate -ErrorAction SilentlyContinue)) {
        throw "Exchange's cmdlets are not there after loading them."
    }
}

function Get-Greeting {
    $only = @{ 'Name' = $cmdlets; 'CommandType' = 'Cmdlet', 'Function' }
    if ($modern) { $only['ListImported'] = $true }
    $known = @(foreach ($command in Get-Command @only) { $command.Name + '=' + ($command.Parameters.Keys -join ',') })
    $version = ''
    $setup = Join-Path $install 'bin\ExSetup.exe'
    if (Test-Path $setup) { $version = [string][Diagnostics.FileVersionInfo]::GetVersionInfo($setup).FileVersion }
    @{
        'Computer' = [string]$env:COMPUTERNAME
        'PowerShell' = [string]$PSVersionTable.PSVersion
        'IsEdge' = [string]$edge
        'Exchange' = $version
        'Parameters' = $known
        'Folder' = $install.TrimEnd('\')
    }
}

# --- The conversation -------------------------------------------------------------------------------------------------

# A request that does not decode yet was torn on the way: it comes again under the same number.
function Read-Request($Pieces, $Total) {
    try {
        $text = @(foreach ($number in 1..$Total) { $Pieces[$number] }) -join ''
        $json.DeserializeObject([Text.Encoding]::UTF8.GetString([Convert]::FromBase64String($text)))
    } catch { $null }
}

$session = $null
$nonce = ''
$answer = ''
$answered = 0
$collecting = 0
try {
    while ($null -ne ($line = $reader.ReadLine())) {
        if ($line -notmatch '^(\d{1,9}) (\d{1,9}) (\d{1,9}) ([A-Za-z0-9+/=]*)\z') { continue }
        $id = [int]$matches[1]
        $seq = [int]$matches[2]
        $total = [int]$matches[3]
        $piece = $matches[4]
        if ($id -eq $answered -and $answer -and $seq -eq $total) {
            $writer.WriteLine($answer)
            $writer.Flush()
        }
        if ($id -le $answered -or $id -lt $collecting) { continue }
        if ($id -ne $collecting) {
            $collecting = $id
            $pieces = @{}
        }
        $pieces[$seq] = $piece
        if ($pieces.Count -lt $total) { continue }
        $request = Read-Request $pieces $total
        if ($request -isnot [Collections.IDictionary]) { continue }
        $result = New-Result
        try {
            if ($request['op'] -eq 'open') {
                $nonce = $request['nonce']
                . $openExchange
                [void]$result['objects'].Add((Get-Greeting))
            } elseif ($request['op'] -eq 'run') {
                if ($session -and $session.State -ne 'Opened') { . $connect }
                Invoke-Pipeline $request $result
            } elseif ($request['op'] -eq 'close') {
                if ($session) { Remove-PSSession $session -ErrorAction SilentlyContinue }
                $session = $null
            } else { throw 'The request names an unknown operation.' }
        } catch { [void]$result['errors'].Add((Get-Fault $_)) }
        try { $answer = Format-Answer $id $result } catch {
            $result = New-Result
            [void]$result['errors'].Add((Get-Fault $_))
            $answer = Format-Answer $id $result
        }
        $answered = $id
        $pieces = @{}
        $writer.WriteLine($answer)
        $writer.Flush()
        if ($request['op'] -eq 'close') { break }
    }
} finally {
    if ($session) { Remove-PSSession $session -ErrorAction SilentlyContinue }
}
